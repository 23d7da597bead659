import type { Page } from '@countersign/contracts';
import { parseBody } from '@countersign/platform';
import { z } from 'zod';
import type { RevocationTerms } from './revocation-matching';

const MAX_CLAIMS = 20;
const MAX_TEXT = 1_024;

const text = z.string().min(1).max(MAX_TEXT);

/** Body of `POST /v1/revocations`; at least one of issuer, role and claims. */
export const revocationRequestSchema = z
  .strictObject({
    issuer: text.optional(),
    role: text.optional(),
    claims: z
      .record(text, text)
      .refine((claims) => Object.keys(claims).length > 0, { message: 'must name at least one claim' })
      .refine((claims) => Object.keys(claims).length <= MAX_CLAIMS, {
        message: `must name at most ${MAX_CLAIMS} claims`,
      })
      .optional(),
    reason: z.string().trim().min(1).max(MAX_TEXT),
  })
  .refine(({ issuer, role, claims }) => [issuer, role, claims].some((term) => term !== undefined), {
    message: 'must have at least one of issuer, role and claims',
  });

export type RevocationRequest = RevocationTerms & { reason: string };

/** @throws ProblemError invalid-document with the JSON Pointer of each error */
export function parseRevocation(body: unknown): RevocationRequest {
  const { issuer = null, role = null, claims = {}, reason } = parseBody(revocationRequestSchema, body);
  return { issuer, role, claims, reason };
}

/** Item of the list and answer of POST, for the API description; its type stands in libs/contracts. */
export const revocationAnswerSchema = z
  .object({
    id: z.string(),
    issuer: z.string().nullable(),
    role: z.string().nullable(),
    claims: z.record(z.string(), z.string()),
    reason: z.string(),
    author: z.string(),
    createdAt: z.string(),
    expiresAt: z.string(),
  })
  .meta({ id: 'Revocation' });

export const revocationPageSchema = z
  .object({ items: z.array(revocationAnswerSchema), nextCursor: z.string().nullable() })
  .meta({ id: 'RevocationPage' });

const CURSOR = /^r([1-9]\d{0,17})$/;

const readCursor = (cursor: string): string | undefined =>
  CURSOR.exec(Buffer.from(cursor, 'base64url').toString('latin1'))?.[1];

/** Query of the list: `cursor` becomes the position that the page before ended at. */
export const pageQuerySchema = z.strictObject({
  cursor: z
    .string()
    .max(64)
    .refine((cursor) => readCursor(cursor) !== undefined, { message: 'is not a cursor of this list' })
    .transform(readCursor)
    .optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
});

export type PageQuery = z.infer<typeof pageQuerySchema>;

/** A page out of `limit + 1` rows: the row too many only tells that there is a next page. */
export function pageOf<Row extends { position: string }, Item>(
  rows: Row[],
  limit: number,
  asItem: (row: Row) => Item,
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  const nextCursor = last === undefined ? null : Buffer.from(`r${last.position}`).toString('base64url');
  return { items: shown.map(asItem), nextCursor };
}
