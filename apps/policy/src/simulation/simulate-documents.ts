import { setImmediate } from 'node:timers/promises';
import type { ParsedDocument, SimulationAnswer } from '@countersign/contracts';
import { ProblemError } from '@countersign/platform';
import type { Snapshot } from '@countersign/policy-engine';
import { Injectable } from '@nestjs/common';
import { PolicyConfig } from '../config';
import { loadState, parseStored, READ_LIMIT, type StoredDocument } from '../documents/document-rows';
import { planChanges } from '../documents/plan-changes';
import { mergeDocuments } from '../documents/resulting-documents';
import { validateDocuments } from '../documents/validate-documents';
import { PolicyDatabase } from '../policy-database';
import { RecordReviews, visitInStretches } from '../recorded/record-reviews';
import { RecordedExchanges } from '../recorded/recorded-exchanges';
import { CompileDocuments } from '../snapshot/compile-documents';
import { DecisionChanges } from './decision-changes';
import { Redecider } from './redecide';
import type { SimulationRequest } from './simulation-request';

const PARSED_AT_ONCE = 50;
const MOST_EXCHANGES = 250_000;

/** Decides recorded exchanges again, under today's documents and under candidates. Changes and issues nothing. */
@Injectable()
export class SimulateDocuments {
  constructor(
    private readonly database: PolicyDatabase,
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
    const { newest, documents: stored } = await this.database.transaction(loadState, READ_LIMIT);
    const { number: revision } = newest;
    const wanted = { remove: [], prune, owner };
    const parsed = await parseInSteps(stored);
    const given = validateDocuments({ raw, stored, parsed, wanted, publicUrl });
    const { delete: deleted } = planChanges(stored, { ...wanted, given });
    await setImmediate();
    const before = this.documents.compile(parsed, revision);
    await setImmediate();
    return [before, this.documents.compile(mergeDocuments(parsed, { given, deleted }), revision)];
  }
}

async function parseInSteps(stored: StoredDocument[]): Promise<ParsedDocument[]> {
  const parsed: ParsedDocument[] = [];
  for (let at = 0; at < stored.length; at += PARSED_AT_ONCE) {
    parsed.push(...parseStored(stored.slice(at, at + PARSED_AT_ONCE)).parsed);
    await setImmediate();
  }
  return parsed;
}

const tooMany = (count: number): ProblemError =>
  new ProblemError(
    'invalid-parameter',
    `from, to: the range holds ${count} exchanges, at most ${MOST_EXCHANGES} are simulated at once; narrow it`,
  );
