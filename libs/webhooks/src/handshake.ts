const SECONDS = 60;

/** What a sender asks of a receiver before it sends (CloudEvents HTTP Webhook 1.0, section 4). */
export interface HandshakeRequest {
  /** Host name of the sender. */
  origin: string;
  /** Deliveries a second that it would like to make. */
  perSecond: number;
}

export type HandshakeResult =
  /** No more deliveries a second than this. */
  { ok: true; perSecond: number } | { ok: false; reason: 'refused' | 'origin_not_allowed' | 'rate_too_low' };

/** Headers of the OPTIONS request. */
export const handshakeHeaders = ({ origin, perSecond }: HandshakeRequest): Record<string, string> => ({
  'webhook-request-origin': origin,
  'webhook-request-rate': String(perSecond * SECONDS),
});

/** Does the answer (header names in lower case) let us deliver, and how fast? Whoever does not name us has not asked for it. */
export function readHandshake(
  answer: { status: number; headers: Record<string, string | undefined> },
  { origin, perSecond }: HandshakeRequest,
): HandshakeResult {
  if (answer.status < 200 || answer.status > 299) return { ok: false, reason: 'refused' };
  if (!isAllowed(answer.headers['webhook-allowed-origin']?.trim(), origin)) {
    return { ok: false, reason: 'origin_not_allowed' };
  }
  const granted = grantedRate(answer.headers['webhook-allowed-rate']?.trim(), perSecond);
  return granted < 1 ? { ok: false, reason: 'rate_too_low' } : { ok: true, perSecond: Math.min(perSecond, granted) };
}

const isAllowed = (allowed: string | undefined, origin: string): boolean =>
  allowed === '*' || allowed?.toLowerCase() === origin.toLowerCase();

/** Deliveries a second, of a rate per minute; 0 when it cannot be read. */
function grantedRate(rate: string | undefined, wanted: number): number {
  if (rate === undefined || rate === '*') return wanted;
  return /^\d{1,9}$/.test(rate) ? Math.floor(Number(rate) / SECONDS) : 0;
}
