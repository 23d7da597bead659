import { getIssuerKeys, type IssuerKeys } from '@countersign/contracts';
import { UnavailableError } from '@countersign/platform';
import type { Bus } from './bus';

/** Longer than discovery lets a fetch take; the fetch goes on behind a caller who gave up. */
const PATIENCE_MS = 6_000;

/**
 * Asks discovery for the issuer behind `iss` and its keys, again while they are being fetched.
 * @throws UnavailableError when the keys cannot be had; within a second where discovery is lost
 */
export async function askIssuerKeys(
  bus: Bus,
  asked: { iss: string; kid: string | null },
): Promise<Exclude<IssuerKeys, { status: 'pending' | 'unavailable' }>> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await bus.request(getIssuerKeys, asked);
    if (answer.status === 'unavailable') throw new UnavailableError('discovery', { retryAfterSeconds: 5 });
    if (answer.status !== 'pending') return answer;
    if (performance.now() > until) throw new UnavailableError('discovery');
  }
}
