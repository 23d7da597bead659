import type { NearestMissAnswer } from '@countersign/contracts';
import type { Snapshot } from '@countersign/policy-engine';
import type { RecordedExchange } from '../recorded/recorded-exchange';
import type { RecordedExchanges } from '../recorded/recorded-exchanges';
import { Redecider } from '../simulation/redecide';

/** Days to look back: from the newest on, so that what is left out is the oldest. */
const REACHES = [1, 7, 30];
const DAY_MS = 24 * 60 * 60 * 1000;
const MOST_SHOWN = 20;
/** However much was recorded, the answer comes while somebody waits for it: it then says how far back it looked. */
const MOST_EXCHANGES = 100_000;

export interface Rehearsal {
  before: Snapshot;
  after: Snapshot;
  /** `sub` of the attempt that the edit is for: it is no other. */
  subject: unknown;
  to: Date;
}

/** Whom else an edit would have admitted: subjects whose recorded attempts policy denied. @throws UnavailableError */
export async function rehearseEdit(
  exchanges: Pick<RecordedExchanges, 'within'>,
  { before, after, subject, to }: Rehearsal,
): Promise<NearestMissAnswer['alsoAdmits']> {
  const redecider = new Redecider(before, after);
  const isAdmitted = (exchange: RecordedExchange): boolean => {
    if (exchange.outcome !== 'denied' || exchange.subject === subject) return false;
    const decisions = redecider.decide(exchange);
    return decisions.before.effect === 'Deny' && decisions.after.effect === 'Allow';
  };
  const admitted = new Set<string>();
  let from = to;
  let seen = 0;
  for (const days of REACHES) {
    if (seen >= MOST_EXCHANGES) break;
    const range = { from: new Date(to.getTime() - days * DAY_MS), to: from };
    for await (const batch of exchanges.within(range)) {
      seen += batch.length;
      batch.filter(isAdmitted).forEach((exchange) => admitted.add(exchange.subject ?? ''));
    }
    from = range.from;
  }
  const sample = [...admitted].slice(0, MOST_SHOWN);
  return { count: admitted.size, sample, from: from.toISOString(), to: to.toISOString() };
}
