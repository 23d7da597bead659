import type { WhoCanAnswer } from '@countersign/contracts';
import { z } from 'zod';

const condition = z.record(z.string(), z.record(z.string(), z.array(z.string())));
const names = z.array(z.string());

const denial = z.object({
  role: z.string(),
  policy: z.string(),
  sid: z.string().nullable(),
  condition: condition.nullable(),
  resourceClaims: names,
});

const role = z.object({
  name: z.string(),
  policy: z.string(),
  sid: z.string().nullable(),
  principal: z.union([z.object({ 'jwt:sub': names }), names]).nullable(),
  condition,
  statementCondition: condition.nullable(),
  resourceClaims: names,
  deniedBy: z.array(denial),
});

const identity = z.object({
  issuer: z.string(),
  subject: z.string(),
  roles: names,
  lastSeenAt: z.string(),
  count: z.number().int(),
});

/** Answer of `POST /v1/who-can`, for the API description; its type stands in libs/contracts. */
export const whoCanAnswerSchema = z
  .object({
    revision: z.number().int(),
    roles: z.array(role),
    identities: z.array(identity),
    identityCount: z.number().int(),
    window: z.object({ from: z.string(), to: z.string() }),
  })
  .meta({ id: 'WhoCanAnswer' }) satisfies z.ZodType<WhoCanAnswer>;
