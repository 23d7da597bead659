import { decodeJwt, decodeProtectedHeader } from 'jose';
import { usageFailure } from './failure';
import { formatDuration } from './format';

export interface DecodedToken {
  header: Record<string, unknown>;
  claims: Record<string, unknown>;
}

/** Reads header and claims of a compact JWT. Verifies nothing. */
export function decodeToken(token: string): DecodedToken {
  try {
    return { header: { ...decodeProtectedHeader(token) }, claims: decodeJwt(token) };
  } catch {
    throw usageFailure('this is not a compact JWT (three base64url parts, the second a JSON object)');
  }
}

/** A NumericDate as RFC 3339 and its distance from `now` (epoch seconds); '-' for anything else. */
export function describeTime(value: unknown, now: number): string {
  if (typeof value !== 'number' || !Number.isFinite(value) || Math.abs(value) > 8.64e12) return '-';
  const distance = formatDuration(Math.abs(value - now));
  return `${new Date(value * 1000).toISOString().replace('.000', '')} (${value < now ? `${distance} ago` : `in ${distance}`})`;
}

export const nowInSeconds = (): number => Math.floor(Date.now() / 1000);
