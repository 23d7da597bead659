import type { ExplainedRole, ExplainedStatement, NearestMiss } from '@countersign/policy-engine';
import type { Finding } from './payloads';

/** The step of an exchange that refused; `record`: the grant was voided since it could not be recorded. */
export type ExplainStage = 'verify' | 'decide' | 'target' | 'replay' | 'record' | 'granted';

/** How an attempt ends, and why. */
export interface ExplainedOutcome {
  outcome: 'granted' | 'denied' | 'voided';
  stage: ExplainStage;
  class: string | null;
  reason: string | null;
  detail: string | null;
}

/** The one change of a Role that would admit the attempt; `edit` is one of the document as it was written. */
export interface NearestMissAnswer extends NearestMiss {
  /** What lint has to say about the edited role that it did not say before. */
  findings: Finding[];
  /** Other subjects of recorded attempts that are denied as it is and would be granted; the time looked at. */
  alsoAdmits: { count: number; sample: string[]; from: string; to: string };
}

/** Answer of `POST /v1/explain`; `path` of a check points into the document as it was written. */
export interface ExplainAnswer extends ExplainedOutcome {
  /** Name of the JwtIssuer; null when none has this `iss`. */
  issuer: string | null;
  subject: string | null;
  /** False: anybody could have written the claims, since the token was not verified. */
  verified: boolean;
  /** Of the documents that the explanation is made from. */
  revision: number;
  /** What was explained, defaults filled in. */
  request: { audience: string[]; scope: string | null; sourceIp: string | null; time: string };
  /** Where the token was refused before any role was considered: what the decision would have been. */
  ifVerified: ExplainedOutcome | null;
  roles: ExplainedRole[];
  /** Roles of the issuer that are not shown; they are further away. */
  rolesLeftOut: number;
  /** Of the policies of the granted roles; only when `action` and `resource` were given. */
  statements: ExplainedStatement[];
  /** Whether the token could do what `action` and `resource` say; null when they were not given or nothing is granted. */
  permission: { action: string; resource: string; allowed: boolean } | null;
  nearestMiss: NearestMissAnswer | null;
  /** The attempt behind `traceId` or `eventId`, as it ended then. */
  recorded: RecordedAttemptAnswer | null;
}

/** An attempt of the past, as its event told it. */
export interface RecordedAttemptAnswer extends ExplainedOutcome {
  eventId: string;
  traceId: string;
  time: string;
  roles: string[];
  /** Of the documents that it was decided with then; null where policy was not asked. */
  revision: number | null;
}
