import { REFUSAL_CLASS, type ExplainAnswer, type ExplainedOutcome } from '@countersign/contracts';
import type { Snapshot } from '@countersign/policy-engine';
import { Injectable } from '@nestjs/common';
import { PolicyDatabase } from '../policy-database';
import { RecordedExchanges } from '../recorded/recorded-exchanges';
import { CurrentSnapshot } from '../snapshot/current-snapshot';
import { decideAttempt, type DecidedAttempt } from './decided-attempt';
import type { Evidence } from './evidence';
import { explainAnswer } from './explain-answer';
import type { ExplainQuestion } from './explain-request';
import { findNearestMiss } from './find-nearest-miss';
import { GatherEvidence } from './gather-evidence';
import { recordedOutcome } from './recorded-outcome';
import { WrittenDocuments } from './written-documents';

/** How often the documents may change under an explanation before it does without how they are written. */
const MOST_TRIES = 3;

interface Explained {
  snapshot: Snapshot;
  /** As they were written, of the same revision. */
  documents: WrittenDocuments;
  decided: DecidedAttempt | null;
}

/** Explains an attempt at an exchange with the documents of now. Issues nothing, uses up nothing, records nothing. */
@Injectable()
export class ExplainAttempt {
  constructor(
    private readonly evidence: GatherEvidence,
    private readonly snapshots: CurrentSnapshot,
    private readonly database: PolicyDatabase,
    private readonly exchanges: RecordedExchanges,
  ) {}

  /** @throws ProblemError not-found, invalid-parameter; UnavailableError */
  async explain(question: ExplainQuestion): Promise<ExplainAnswer> {
    const evidence = await this.evidence.gather(question);
    const explained = await this.decide(evidence, question);
    const { snapshot, decided } = explained;
    const refusal = evidence.refusal ?? (decided === null ? this.notOfPolicy(evidence) : null);
    // Whoever sends a token that does not verify must not put an edit into an operator's hands.
    const mayBeMended = decided !== null && refusal?.stage !== 'verify';
    const nearestMiss = mayBeMended ? await findNearestMiss(decided, explained, this.exchanges) : null;
    const { revision } = snapshot;
    return explainAnswer({ ...explained, evidence, refusal, nearestMiss, revision, permission: question.permission });
  }

  private async decide(evidence: Evidence, { permission }: ExplainQuestion): Promise<Explained> {
    for (let tries = 1; ; tries += 1) {
      const snapshot = this.snapshots.current();
      const decided = decideAttempt(snapshot, evidence, permission);
      const documents = await WrittenDocuments.load(this.database, namesOf(snapshot, decided));
      if (documents.revision === snapshot.revision || tries === MOST_TRIES) return { snapshot, documents, decided };
      await this.snapshots.refresh();
    }
  }

  /** What there is to say where no trusted issuer has this `iss`, so that roles are not what decides. */
  private notOfPolicy({ claims, recorded }: Evidence): ExplainedOutcome {
    const iss = claims?.['iss'];
    if (recorded !== null && iss === this.snapshots.current().publicUrl) return recordedOutcome(recorded);
    const disabled = this.snapshots.issuers().issuers.find((issuer) => issuer.iss === iss);
    const detail = disabled === undefined ? 'no JwtIssuer has this iss' : `JwtIssuer ${disabled.name} is disabled`;
    const reason = 'issuer_unknown';
    return { outcome: 'denied', stage: 'verify', class: REFUSAL_CLASS[reason], reason, detail };
  }
}

function namesOf(snapshot: Snapshot, decided: DecidedAttempt | null): { roles: string[]; policies: string[] } {
  const roles = decided?.explanation.roles.map(({ name }) => name) ?? [];
  const policies = roles.flatMap(
    (name) => (snapshot.roles.get(name) ?? snapshot.disabledRoles.get(name))?.policies ?? [],
  );
  return { roles, policies: [...new Set(policies)] };
}
