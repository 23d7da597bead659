import type { Permission } from '@countersign/contracts';

/** One attempt at an exchange, as its event told it. */
export interface RecordedExchange {
  eventId: string;
  traceId: string;
  time: Date;
  outcome: 'granted' | 'denied' | 'voided';
  class: string | null;
  reason: string | null;
  detail: string | null;
  /** Name of the JwtIssuer; null when none was found. */
  issuer: string | null;
  /** `sub` of the verified claims. */
  subject: string | null;
  /** Verified; null when the token was refused before that. */
  claims: Record<string, unknown> | null;
  unverified: { header: Record<string, unknown>; claims: Record<string, unknown> } | null;
  audience: string[];
  resource: string[];
  scope: string | null;
  /** What the request was narrowed to; null where it named none. */
  narrowedTo: { roles: string[] | null; policies: string[] | null; permissions: Permission[] | null };
  sourceIp: string | null;
  /** What was decided; empty where nothing was granted. */
  roles: string[];
  policies: string[];
  statements: { policy: string; sid: string | null }[];
  /** Of the documents that it was decided with; null where policy was not asked. */
  revision: number | null;
  /**
   * Policy was asked, and what it was asked is recorded whole: the decision can be made again. False for what was
   * refused before or after it, voided, or narrowed from a token of ours.
   */
  decidable: boolean;
}

/** Of an exchange, what policy was asked and who by: all that a decision needs. */
export type AskedExchange = Pick<
  RecordedExchange,
  'eventId' | 'time' | 'issuer' | 'subject' | 'claims' | 'audience' | 'resource' | 'narrowedTo' | 'sourceIp'
>;

/** Reads an AskedExchange off `policy.recorded_exchanges`. */
export const ASKED_COLUMNS = `event_id AS "eventId", time, issuer, subject, claims, audience, resource,
  narrowed_to AS "narrowedTo", source_ip AS "sourceIp"`;

/** Reads a RecordedExchange off it. */
export const COLUMNS = `${ASKED_COLUMNS}, trace_id AS "traceId", outcome, class, reason, detail, unverified, scope, roles,
  policies, statements, revision, decidable`;
