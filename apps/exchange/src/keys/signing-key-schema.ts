import type { Page, SigningKeyAnswer, SigningKeyRotationAnswer } from '@countersign/contracts';
import { z } from 'zod';

const state = z.enum(['next', 'active', 'retired']);

const signingKeySchema: z.ZodType<SigningKeyAnswer> = z
  .object({
    kid: z.string(),
    alg: z.string(),
    state,
    createdAt: z.iso.datetime(),
    activatedAt: z.iso.datetime().nullable(),
    retiredAt: z.iso.datetime().nullable(),
    publishedUntil: z.iso.datetime().nullable(),
  })
  .meta({ id: 'SigningKey' });

/** Answer of `GET /v1/signing-keys`, for its description. */
export const signingKeyPageSchema: z.ZodType<Page<SigningKeyAnswer>> = z
  .object({ items: z.array(signingKeySchema), nextCursor: z.string().nullable() })
  .meta({ id: 'SigningKeyPage' });

/** Answer of `POST /v1/signing-keys/rotate`, for its description. */
export const rotationAnswerSchema: z.ZodType<SigningKeyRotationAnswer> = z
  .object({ kid: z.string(), alg: z.string(), state, takesOverAt: z.iso.datetime() })
  .meta({ id: 'SigningKeyRotation' });
