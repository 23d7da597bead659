import { z } from 'zod';
import { jsonObject } from './json-object';
import { permissionsSchema } from './permissions';

/** Types of the events in the trail; `docs/events.md` lists the same ones. */
export const EVENT_TYPES = [
  'dev.countersign.exchange.granted.v1',
  'dev.countersign.exchange.denied.v1',
  'dev.countersign.exchange.voided.v1',
  'dev.countersign.exchange.refusals_aggregated.v1',
  'dev.countersign.decision.denied.v1',
  'dev.countersign.policy.applied.v1',
  'dev.countersign.repository_pin.created.v1',
  'dev.countersign.repository_pin.deleted.v1',
  'dev.countersign.issuer.keys_rejected.v1',
  'dev.countersign.issuer.keys_rotated.v1',
  'dev.countersign.issuer.refreshed.v1',
  'dev.countersign.issuer.unreachable.v1',
  'dev.countersign.signing_key.created.v1',
  'dev.countersign.signing_key.rotated.v1',
  'dev.countersign.token.revoked.v1',
  'dev.countersign.revocation.created.v1',
  'dev.countersign.revocation.deleted.v1',
  'dev.countersign.audit.erased.v1',
  'dev.countersign.audit.expired.v1',
  'dev.countersign.audit.gap_found.v1',
  'dev.countersign.audit.stream_restarted.v1',
  'dev.countersign.audit.unreadable.v1',
  'dev.countersign.webhook.created.v1',
  'dev.countersign.webhook.deleted.v1',
  'dev.countersign.webhook.disabled.v1',
  'dev.countersign.webhook.updated.v1',
  'dev.countersign.webhook.secret_rotated.v1',
  'dev.countersign.webhook.test.v1',
] as const;

export type EventType = (typeof EVENT_TYPES)[number];

const names = z.array(z.string());

/** The part of an exchange event that says what policy decided. */
export const eventDecisionSchema = z.object({
  roles: names,
  shadowRoles: names,
  policies: names,
  statements: z.array(z.object({ policy: z.string(), sid: z.string().nullable() })),
  revision: z.number().int(),
});

/**
 * `data` of `exchange.granted`, `.denied` and `.voided`. `claims` are verified; what a token said that failed
 * verification stands in `unverified`, capped and sanitised. Never a token.
 */
export const exchangeEventDataSchema = z.object({
  outcome: z.enum(['granted', 'denied', 'voided']),
  door: z.string(),
  grant: z.string().nullable(),
  issuer: z.string().nullable(),
  class: z.string().nullable(),
  reason: z.string().nullable(),
  detail: z.string().nullable(),
  decision: eventDecisionSchema.nullable(),
  claims: jsonObject.nullable(),
  unverified: z.object({ header: jsonObject, claims: jsonObject }).nullable(),
  /** `sha256` of the token, in hexadecimal digits. Absent from events of older versions. */
  token: z.object({ jti: z.string(), exp: z.string(), aud: names, sha256: z.string().optional() }).nullable(),
  request: z.object({
    audience: names,
    resource: names,
    scope: z.string().nullable(),
    /** What the token was to be narrowed to; null means no narrowing. Absent from events of older versions. */
    roles: names.nullable().optional(),
    policies: names.nullable().optional(),
    permissions: permissionsSchema.nullable().optional(),
  }),
  sourceIp: z.string().nullable(),
  traceId: z.string(),
  requestId: z.string(),
  /** Members that did not fit and are not whole. */
  shortened: names.optional(),
});

export type ExchangeEventData = z.infer<typeof exchangeEventDataSchema>;

/** CloudEvents 1.0 in the JSON format, with the distributed tracing extension. */
export const cloudEventSchema = z.object({
  specversion: z.literal('1.0'),
  id: z.string().min(1).max(64),
  source: z.string().min(1),
  type: z.enum(EVENT_TYPES),
  subject: z.string().optional(),
  time: z.string(),
  datacontenttype: z.literal('application/json'),
  traceparent: z.string().optional(),
  data: z.record(z.string(), z.unknown()),
});

export type CloudEvent = z.infer<typeof cloudEventSchema>;

/** A stored event, as the API and webhooks show it: with its place in the trail. */
export type RecordedEvent = CloudEvent & { sequence: string };

/**
 * The body of a webhook delivery: the event with its place among those of the endpoint, and in base64 the head of the
 * chain over them (docs/audit.md). Deliveries made before there were chains have neither.
 */
export type DeliveredEvent = RecordedEvent & { endpointsequence?: string; chainhead?: string };

/**
 * The two streams. `audit` keeps everything and refuses when full; `refusals` holds what strangers can cause
 * (refused before the signature was verified), is bounded, and drops its oldest.
 */
export const AUDIT_STREAMS = {
  audit: { name: 'COUNTERSIGN_AUDIT', subjectPrefix: 'countersign.audit' },
  refusals: { name: 'COUNTERSIGN_REFUSALS', subjectPrefix: 'countersign.refusals' },
} as const;

export type AuditStreamName = keyof typeof AUDIT_STREAMS;

/** NATS subject of an event: `<prefix>.<area>.<outcome>`, from its type. */
export function eventSubject(stream: AuditStreamName, type: EventType): string {
  const [, , area, outcome] = type.split('.');
  return `${AUDIT_STREAMS[stream].subjectPrefix}.${area}.${outcome}`;
}
