import type { NearestMissAnswer } from '@countersign/contracts';
import type { Snapshot } from '@countersign/policy-engine';
import type { AskedExchange } from '../recorded/recorded-exchange';
import type { RecordedExchanges, TimeRange } from '../recorded/recorded-exchanges';
import { Redecider } from '../simulation/redecide';

const HOUR_MS = 60 * 60 * 1000;
/** How far to look back, in hours: as far as there are not too many exchanges, since somebody waits for the answer. */
const REACHES = [30 * 24, 7 * 24, 24, 6, 1];
const MOST_EXCHANGES = 100_000;
const MOST_SHOWN = 20;

type Exchanges = Pick<RecordedExchanges, 'askedWithin' | 'count'>;

export interface Rehearsal {
  before: Snapshot;
  after: Snapshot;
  /** `sub` of the attempt that the edit is for: it is no other. */
  subject: unknown;
  to: Date;
}

/** Whom else an edit would admit: subjects of recorded attempts that policy denies as it is. @throws UnavailableError */
export async function rehearseEdit(
  exchanges: Exchanges,
  { before, after, subject, to }: Rehearsal,
): Promise<NearestMissAnswer['alsoAdmits']> {
  const redecider = new Redecider(before, after);
  const isAdmitted = (exchange: AskedExchange): boolean => {
    if (exchange.subject === subject) return false;
    const decisions = redecider.decide(exchange);
    return decisions.before.effect === 'Deny' && decisions.after.effect === 'Allow';
  };
  const admitted = new Set<string>();
  const range = await reachOf(exchanges, to);
  for await (const batch of exchanges.askedWithin(range)) {
    batch.filter(isAdmitted).forEach((exchange) => admitted.add(exchange.subject ?? ''));
  }
  const sample = [...admitted].slice(0, MOST_SHOWN);
  return { count: admitted.size, sample, from: range.from.toISOString(), to: to.toISOString() };
}

async function reachOf(exchanges: Exchanges, to: Date): Promise<TimeRange> {
  let range = { from: to, to };
  for (const hours of REACHES) {
    range = { from: new Date(to.getTime() - hours * HOUR_MS), to };
    if ((await exchanges.count(range)).decidable <= MOST_EXCHANGES) break;
  }
  return range;
}
