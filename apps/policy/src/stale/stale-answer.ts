import type { StaleAnswer } from '@countersign/contracts';
import { z } from 'zod';

const times = { createdAt: z.string(), lastUsedAt: z.string().nullable() };
const count = z.number().int();

/** Answer of `GET /v1/stale`, for the API description; its type stands in libs/contracts. */
export const staleAnswerSchema = z
  .object({
    revision: count,
    days: count,
    unusedSince: z.string(),
    recordedSince: z.string(),
    issuers: z.array(z.object({ name: z.string(), iss: z.string(), ...times })),
    roles: z.array(z.object({ name: z.string(), shadow: z.boolean(), ...times })),
    statements: z.array(
      z.object({ policy: z.string(), sid: z.string().nullable(), effect: z.enum(['Allow', 'Deny']), ...times }),
    ),
    counts: z.object({ issuers: count, roles: count, statements: count }),
  })
  .meta({ id: 'StaleAnswer' }) satisfies z.ZodType<StaleAnswer>;
