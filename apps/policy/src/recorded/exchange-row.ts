import { exchangeEventDataSchema, type CloudEvent, type ExchangeEventData } from '@countersign/contracts';
import { exchangeReasons } from '@countersign/policy-engine';

const EXCHANGES = new Set(['granted', 'denied', 'voided'].map((outcome) => `dev.countersign.exchange.${outcome}.v1`));
const POLICY_REASONS: readonly string[] = exchangeReasons;
/** An index entry has a bound in PostgreSQL; ours are 32 digits. */
const MAX_TRACE_ID = 64;

/** Which bound of the record counts it: what strangers can cause must not push out what was granted. */
export type Family = 'granted' | 'refused' | 'unverified';

/** A row of `policy.recorded_exchanges`, named as its columns. */
export interface ExchangeRow extends Pick<
  ExchangeEventData,
  'outcome' | 'class' | 'reason' | 'detail' | 'issuer' | 'claims' | 'unverified'
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

/** Is the event about an attempt at an exchange? */
export const isExchange = ({ type }: CloudEvent): boolean => EXCHANGES.has(type);

/** The row of an attempt; null when the event does not have the form of one. */
export function exchangeRow(event: CloudEvent): ExchangeRow | null {
  const parsed = exchangeEventDataSchema.safeParse(event.data);
  if (!parsed.success || Number.isNaN(Date.parse(event.time))) return null;
  const { data } = parsed;
  const { outcome, reason, detail, issuer, claims, unverified } = data;
  return {
    event_id: event.id,
    trace_id: data.traceId.slice(0, MAX_TRACE_ID),
    time: new Date(event.time).toISOString(),
    family: familyOf(data),
    ...{ outcome, class: data.class, reason, detail, issuer, claims, unverified },
    subject: subjectOf(data),
    source_ip: data.sourceIp,
    ...requestColumns(data),
    ...decisionColumns(data),
    decidable: isDecidable(data, event.source),
  };
}

const subjectOf = ({ claims }: ExchangeEventData): string | null =>
  typeof claims?.['sub'] === 'string' ? claims['sub'] : null;

function requestColumns({ request }: ExchangeEventData) {
  const { audience, resource, scope, roles = null, policies = null, permissions = null } = request;
  return { audience, resource, scope, narrowed_to: { roles, policies, permissions } };
}

const decisionColumns = ({ decision }: ExchangeEventData) => ({
  roles: decision?.roles ?? [],
  policies: decision?.policies ?? [],
  statements: decision?.statements ?? [],
  revision: decision?.revision ?? null,
});

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
