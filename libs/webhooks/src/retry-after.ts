const DELAY_SECONDS = /^\d{1,9}$/;
const IMF_FIXDATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/**
 * Seconds from `now` (epoch seconds) that a `Retry-After` header asks for: delay or date (RFC 9110 §10.2.3), never
 * negative; null when it cannot be read.
 */
export function retryAfterSeconds(header: string, now: number): number | null {
  const text = header.trim();
  if (DELAY_SECONDS.test(text)) return Number(text);
  if (!IMF_FIXDATE.test(text)) return null;
  const at = Date.parse(text) / 1000;
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}
