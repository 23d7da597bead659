import type { WhoCanAnswer } from '@countersign/contracts';
import { Clock } from '@countersign/platform';
import { whoCan } from '@countersign/policy-engine';
import { Injectable } from '@nestjs/common';
import { refuseMembers } from '../json-body';
import { RecordReviews, visitInStretches } from '../recorded/record-reviews';
import { RecordedExchanges, type TimeRange } from '../recorded/recorded-exchanges';
import { CurrentSnapshot } from '../snapshot/current-snapshot';
import { IdentityFinder } from './find-identities';
import type { Question } from './question';

const DAY_MS = 24 * 60 * 60 * 1000;
const WINDOW_MS = 30 * DAY_MS;
const MOST_IDENTITIES = 1_000;

/** Answers who can do something: from the documents who could, from the record who would. */
@Injectable()
export class FindWhoCan {
  constructor(
    private readonly snapshots: CurrentSnapshot,
    private readonly recorded: RecordedExchanges,
    private readonly reviews: RecordReviews,
    private readonly clock: Clock,
  ) {}

  /** @throws ProblemError invalid-parameter, rate-limited; UnavailableError */
  answer(question: Question): Promise<WhoCanAnswer> {
    return this.reviews.run(() => this.review(question));
  }

  private async review(question: Question): Promise<WhoCanAnswer> {
    const { action, resource } = question;
    const snapshot = this.snapshots.current();
    const window = windowOf(question, this.clock.now());
    const finder = new IdentityFinder(snapshot, { action, resource, now: Math.floor(this.clock.now() / 1000) });
    const roles = whoCan(snapshot, { action, resource });
    // What no role gives, nobody has: nothing to look for in the record.
    if (roles.length > 0) await this.look(window, finder);
    const identities = finder.identities();
    return {
      revision: snapshot.revision,
      roles,
      identities: identities.slice(0, MOST_IDENTITIES),
      identityCount: identities.length,
      window: { from: window.from.toISOString(), to: window.to.toISOString() },
    };
  }

  private async look(window: TimeRange, finder: IdentityFinder): Promise<void> {
    for await (const batch of this.recorded.askedWithin(window, 'granted')) {
      await visitInStretches(batch, (exchange) => finder.add(exchange));
    }
  }
}

/** The last 30 days unless the question names another window. */
function windowOf({ from, to }: Question, now: number): TimeRange {
  const end = to === undefined ? new Date(now) : new Date(to);
  const start = from === undefined ? new Date(end.getTime() - WINDOW_MS) : new Date(from);
  if (start > end) throw refuseMembers([{ path: '/from', code: 'invalid_value', message: 'must not be after /to' }]);
  return { from: start, to: end };
}
