import type { ExplainAnswer, ExplainedOutcome, NearestMissAnswer } from '@countersign/contracts';
import type { DecidedAttempt } from './decided-attempt';
import type { Evidence } from './evidence';
import type { ExplainQuestion } from './explain-request';
import { recordedOutcome } from './recorded-outcome';
import type { WrittenDocuments } from './written-documents';

export interface ExplainedParts {
  evidence: Evidence;
  decided: DecidedAttempt | null;
  /** What refused it beside policy. */
  refusal: ExplainedOutcome | null;
  documents: WrittenDocuments;
  nearestMiss: NearestMissAnswer | null;
  revision: number;
  permission: ExplainQuestion['permission'];
}

/** Puts the answer together; checks point into the documents as they were written. */
export function explainAnswer(parts: ExplainedParts): ExplainAnswer {
  const { evidence, nearestMiss, revision } = parts;
  const decided = parts.decided?.outcome ?? null;
  return {
    ...finalOutcome(decided, parts.refusal),
    ...identityOf(parts),
    revision,
    request: requestOf(evidence),
    ifVerified: parts.refusal?.stage === 'verify' ? decided : null,
    ...rolesOf(parts),
    ...permissionOf(parts),
    nearestMiss,
    recorded: recordedOf(evidence),
  };
}

function identityOf({ evidence, decided }: ExplainedParts): Pick<ExplainAnswer, 'issuer' | 'subject' | 'verified'> {
  const { claims, recorded, verified } = evidence;
  const sub = claims?.['sub'];
  const issuer = decided?.issuer ?? recorded?.issuer ?? null;
  return { issuer, subject: typeof sub === 'string' ? sub : null, verified };
}

/** In the order of the exchange: verification, decision, and what comes after it. */
function finalOutcome(decided: ExplainedOutcome | null, refusal: ExplainedOutcome | null): ExplainedOutcome {
  const comesFirst = refusal?.stage === 'verify' || decided === null || decided.outcome === 'granted';
  const outcome = refusal !== null && comesFirst ? refusal : decided;
  if (outcome === null) throw new Error('an attempt that policy did not decide on has a refusal');
  return outcome;
}

const requestOf = ({ asked: { audiences, scope, sourceIp, now } }: Evidence): ExplainAnswer['request'] => ({
  audience: [...audiences],
  scope,
  sourceIp,
  time: new Date(now * 1000).toISOString(),
});

function rolesOf({ decided, documents }: ExplainedParts): Pick<ExplainAnswer, 'roles' | 'rolesLeftOut'> {
  const { roles = [], rolesLeftOut = 0 } = decided?.explanation ?? {};
  const written = roles.map((role) => ({
    ...role,
    checks: role.checks.map((check) => ({ ...check, path: documents.pathIn('Role', role.name, check.path) })),
  }));
  return { roles: written, rolesLeftOut };
}

function permissionOf({
  decided,
  documents,
  permission: asked,
}: ExplainedParts): Pick<ExplainAnswer, 'statements' | 'permission'> {
  const explained = decided?.permission ?? null;
  if (explained === null || asked === null) return { statements: [], permission: null };
  const statements = explained.statements.map((statement) => ({
    ...statement,
    checks: statement.checks.map((check) => ({
      ...check,
      path: documents.pathIn('Policy', statement.policy, check.path),
    })),
  }));
  return { statements, permission: { ...asked, allowed: explained.decision.effect === 'Allow' } };
}

function recordedOf({ recorded }: Evidence): ExplainAnswer['recorded'] {
  if (recorded === null) return null;
  const { eventId, traceId, time, roles, revision } = recorded;
  return { ...recordedOutcome(recorded), eventId, traceId, time: time.toISOString(), roles, revision };
}
