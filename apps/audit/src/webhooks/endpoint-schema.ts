import { EVENT_TYPES } from '@countersign/contracts';
import { z } from 'zod';

const MAX_ITEMS = 100;
const name = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[\x21-\x7e]+$/, { message: 'must be a name' });
const outcomes = [...new Set(EVENT_TYPES.flatMap((type) => type.split('.').at(-2) ?? []))].sort();

const filters = {
  types: z.array(z.enum(EVENT_TYPES)).max(MAX_ITEMS),
  issuers: z.array(name).max(MAX_ITEMS),
  roles: z.array(name).max(MAX_ITEMS),
  outcomes: z.array(z.enum(outcomes)).max(MAX_ITEMS),
};

const maxPerSecond = z.int().min(1).max(1_000);
const FORMATS = ['cloudevents', 'openfaas'] as const;

/** Body of `POST /v1/webhooks`; an empty list lets everything through. */
export const newEndpointSchema = z.strictObject({
  url: z.string().min(1).max(2_048),
  types: filters.types.default([]),
  issuers: filters.issuers.default([]),
  roles: filters.roles.default([]),
  outcomes: filters.outcomes.default([]),
  format: z.enum(FORMATS).default('cloudevents'),
  maxPerSecond: maxPerSecond.default(50),
  handshake: z.boolean().default(false),
});

/** Body of `PATCH /v1/webhooks/{id}`: what is left out stays. */
export const endpointChangesSchema = z.strictObject({ ...filters, maxPerSecond, disabled: z.boolean() }).partial();

export type NewEndpoint = z.infer<typeof newEndpointSchema>;
export type EndpointChanges = z.infer<typeof endpointChangesSchema>;

/** Answers of the webhook endpoints, for the API description; their types stand in libs/contracts. */
export const endpointAnswerSchema = z
  .object({
    id: z.string(),
    url: z.string(),
    types: z.array(z.string()),
    issuers: z.array(z.string()),
    roles: z.array(z.string()),
    outcomes: z.array(z.string()),
    format: z.enum(FORMATS),
    maxPerSecond: z.int(),
    handshake: z.boolean(),
    disabled: z.boolean(),
    disabledReason: z.string().nullable(),
    createdAt: z.string(),
    publicKey: z.string(),
  })
  .meta({ id: 'Webhook' });
export const newEndpointAnswerSchema = endpointAnswerSchema.extend({ secret: z.string() }).meta({ id: 'NewWebhook' });
export const endpointPageSchema = z
  .object({ items: z.array(endpointAnswerSchema), nextCursor: z.string().nullable() })
  .meta({ id: 'WebhookPage' });
export const rotatedSecretSchema = z.object({ secret: z.string(), previousSecretExpiresAt: z.string() });
const attemptSchema = z.object({
  at: z.string(),
  responseStatus: z.number().nullable(),
  error: z.string().nullable(),
  durationMs: z.number(),
});
export const deliverySchema = z
  .object({
    id: z.string(),
    webhookId: z.string(),
    eventId: z.string(),
    eventType: z.string(),
    endpointSequence: z.string().nullable(),
    status: z.enum(['pending', 'retrying', 'delivered', 'dead']),
    attempts: z.array(attemptSchema),
    nextAttemptAt: z.string().nullable(),
    createdAt: z.string(),
  })
  .meta({ id: 'Delivery' });
export const deliveryPageSchema = z
  .object({ items: z.array(deliverySchema), nextCursor: z.string().nullable() })
  .meta({ id: 'DeliveryPage' });

/** Query of `POST /v1/webhooks/{id}/recover`. */
export const recoverQuery = z.strictObject({
  since: z.iso.datetime({ offset: true }).transform((text) => new Date(text)),
});
