import type { ExchangeEventData } from '@countersign/contracts';
import { exchangeReasons } from '@countersign/policy-engine';
import type { ExchangeAttempt } from './exchange-attempt';

const POLICY_REASONS: readonly string[] = exchangeReasons;
/** An index entry has a bound in PostgreSQL; ours are 32 digits. */
const MAX_TRACE_ID = 64;
const NOTHING_DECIDED = { roles: [], policies: [], statements: [], revision: null };

/** Which bound of the record counts it: what strangers can cause must not push out what was granted. */
export type Family = 'granted' | 'refused' | 'unverified';

/** A row of `policy.recorded_exchanges` without its claims, named as its columns. */
export interface ExchangeRow extends Pick<
  ExchangeEventData,
  'outcome' | 'class' | 'reason' | 'detail' | 'issuer' | 'unverified'
> {
  event_id: string;
  trace_id: string;
  time: string;
  family: Family;
  subject: string | null;
  audience: string[];
  resource: string[];
  scope: string | null;
  narrowed_to: object;
  source_ip: string | null;
  roles: string[];
  policies: string[];
  statements: object[];
  revision: number | null;
  decidable: boolean;
}

/** The row of an attempt. Written out, as V8 is slow at members that follow a spread. */
export function exchangeRow({ eventId, source, time, data }: ExchangeAttempt): ExchangeRow {
  const { request, decision } = data;
  const { roles, policies, statements, revision } = decision ?? NOTHING_DECIDED;
  return {
    event_id: eventId,
    trace_id: data.traceId.slice(0, MAX_TRACE_ID),
    time: time.toISOString(),
    family: familyOf(data),
    outcome: data.outcome,
    class: data.class,
    reason: data.reason,
    detail: data.detail,
    issuer: data.issuer,
    subject: subjectOf(data),
    unverified: data.unverified,
    audience: request.audience,
    resource: request.resource,
    scope: request.scope,
    narrowed_to: narrowingOf(request),
    source_ip: data.sourceIp,
    roles,
    policies,
    statements,
    revision,
    decidable: isDecidable(data, source),
  };
}

function narrowingOf({ roles = null, policies = null, permissions = null }: ExchangeEventData['request']): object {
  return { roles, policies, permissions };
}

const subjectOf = ({ claims }: ExchangeEventData): string | null =>
  typeof claims?.['sub'] === 'string' ? claims['sub'] : null;

function familyOf({ claims, outcome }: ExchangeEventData): Family {
  if (claims === null) return 'unverified';
  return outcome === 'denied' ? 'refused' : 'granted';
}

/** See RecordedExchange. A token of ours was narrowed, not exchanged: its `iss` is the source of our events. */
function isDecidable(data: ExchangeEventData, publicUrl: string): boolean {
  const { outcome, reason, issuer, claims, decision } = data;
  if (issuer === null || claims === null || claims['iss'] === publicUrl || decision === null) return false;
  return (outcome === 'granted' || (outcome === 'denied' && isPolicyReason(reason))) && isWhole(data);
}

const isPolicyReason = (reason: string | null): boolean => reason !== null && POLICY_REASONS.includes(reason);

/** An older version did not record what the scope meant. */
function isWhole({ request, shortened = [] }: ExchangeEventData): boolean {
  const narrowingKnown = request.scope === null || request.roles !== undefined;
  return narrowingKnown && !shortened.some((member) => ['claims', 'request'].includes(member));
}
