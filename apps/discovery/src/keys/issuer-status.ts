import type { IssuerRegistration, IssuerStatus } from '@countersign/contracts';
import type { KeyFetchError } from './fetch-keys';
import type { StoredKeys } from './shared-key-cache';

/** How long old keys serve while the issuer fails. */
export const STALE_LIMIT_MS = 3_600_000;
/** The share of their age after which keys are fetched again ahead of need. */
const REFRESH_AHEAD = 0.8;

/** Milliseconds for which keys count as fresh. */
export const ageMs = ({ maxAgeSeconds }: StoredKeys): number => maxAgeSeconds * 1_000;

/** When keys are fetched again ahead of need, in epoch milliseconds. */
export const refreshAt = (keys: StoredKeys): number => keys.fetchedAt + ageMs(keys) * REFRESH_AHEAD;

export interface KeySetState {
  issuer: IssuerRegistration;
  current: StoredKeys | null;
  /** Epoch milliseconds. */
  lastAttemptAt: number | null;
  lastError: KeyFetchError | null;
  isUsable: boolean;
}

/** What operators are shown of an issuer's keys. */
export function issuerStatus(state: KeySetState): IssuerStatus {
  const { issuer, current, lastError, lastAttemptAt } = state;
  return {
    name: issuer.name,
    iss: issuer.iss,
    state: stateOf(state),
    source: sourceKind(issuer),
    jwksUri: current === null ? issuer.jwksUri : current.jwksUri,
    keys: (current?.keys ?? []).map(({ kid, kty, alg }) => ({ kid: kid ?? null, kty, alg: alg ?? null })),
    rejectedKeys: current?.rejected ?? [],
    lastSuccessAt: isoOrNull(current && current.fetchedAt),
    lastAttemptAt: isoOrNull(lastAttemptAt),
    lastError: lastError && lastError.message,
    nextRefreshAt: isoOrNull(current && refreshAt(current)),
    staleUntil: isoOrNull(current && current.fetchedAt + STALE_LIMIT_MS),
  };
}

function stateOf({ issuer, lastError, isUsable }: KeySetState): IssuerStatus['state'] {
  if (issuer.disabled) return 'disabled';
  if (isUsable) return lastError === null ? 'healthy' : 'stale';
  return lastError === null ? 'pending' : lastError.kind;
}

function sourceKind({ jwks, jwksUri }: IssuerRegistration): IssuerStatus['source'] {
  if (jwks !== null) return 'static';
  return jwksUri === null ? 'discovery' : 'jwksUri';
}

const isoOrNull = (milliseconds: number | null): string | null =>
  milliseconds === null ? null : new Date(milliseconds).toISOString();
