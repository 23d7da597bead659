import type { SimulationAnswer } from '@countersign/contracts';
import { ProblemError } from '@countersign/platform';
import type { Snapshot } from '@countersign/policy-engine';
import { Injectable } from '@nestjs/common';
import { PolicyConfig } from '../config';
import { planChanges } from '../documents/plan-changes';
import { resultingDocuments } from '../documents/resulting-documents';
import { StoredDocuments } from '../documents/stored-documents';
import { validateDocuments } from '../documents/validate-documents';
import { RecordReviews, visitInStretches } from '../recorded/record-reviews';
import { RecordedExchanges } from '../recorded/recorded-exchanges';
import { CompileDocuments } from '../snapshot/compile-documents';
import { DecisionChanges } from './decision-changes';
import { Redecider } from './redecide';
import type { SimulationRequest } from './simulation-request';

const MOST_EXCHANGES = 250_000;

/** Decides recorded exchanges again, under today's documents and under candidates. Changes and issues nothing. */
@Injectable()
export class SimulateDocuments {
  constructor(
    private readonly stored: StoredDocuments,
    private readonly recorded: RecordedExchanges,
    private readonly reviews: RecordReviews,
    private readonly documents: CompileDocuments,
    private readonly config: PolicyConfig,
  ) {}

  /**
   * `isGone`: whether nobody waits for the answer any more.
   * @throws ProblemError as apply does; invalid-parameter for too large a range; rate-limited
   */
  simulate(request: SimulationRequest, isGone: () => boolean): Promise<SimulationAnswer> {
    return this.reviews.run(() => this.run(request, isGone));
  }

  private async run(request: SimulationRequest, isGone: () => boolean): Promise<SimulationAnswer> {
    const { range } = request;
    const redecider = new Redecider(...(await this.compileBoth(request)));
    const { decidable, undecidable } = await this.recorded.count(range);
    if (decidable > MOST_EXCHANGES) throw tooMany(decidable);
    const changes = new DecisionChanges();
    for await (const batch of this.recorded.askedWithin(range)) {
      if (isGone()) break;
      await visitInStretches(batch, (exchange) => changes.add(exchange, redecider.decide(exchange)));
    }
    const [from, to] = [range.from.toISOString(), range.to.toISOString()];
    return { from, to, ...changes.answer(), skipped: undecidable };
  }

  /** Of the stored documents, and of what they would be; both from one look at the database. */
  private async compileBoth({ raw, prune, owner }: SimulationRequest): Promise<[before: Snapshot, after: Snapshot]> {
    const { publicUrl } = this.config;
    const { newest, documents: stored } = await this.stored.load();
    const { number: revision } = newest;
    const wanted = { remove: [], prune, owner };
    const given = await validateDocuments({ raw, stored, wanted, publicUrl });
    const { delete: deleted } = planChanges(stored, { ...wanted, given });
    const before = resultingDocuments(stored);
    const after = resultingDocuments(stored, { given, deleted });
    return [await this.documents.compile(before, revision), await this.documents.compile(after, revision)];
  }
}

const tooMany = (count: number): ProblemError =>
  new ProblemError(
    'invalid-parameter',
    `from, to: the range holds ${count} exchanges, at most ${MOST_EXCHANGES} are simulated at once; narrow it`,
  );
