import type { Page } from '@countersign/contracts';
import { ProblemError } from '@countersign/platform';
import { z } from 'zod';

/** `limit` and `cursor` of every list. */
export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().max(1_024).optional(),
});

/**
 * Opens a cursor that `pageOf` made; null on the first page.
 * @throws ProblemError invalid-parameter for anything else
 */
export function openCursor<T>(cursor: string | undefined, schema: z.ZodType<T>): T | null {
  if (cursor === undefined) return null;
  try {
    return schema.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
  } catch {
    throw new ProblemError('invalid-parameter', 'cursor: not one of ours');
  }
}

/** A page out of `limit + 1` rows: the row too many only tells that there is a next page. */
export function pageOf<Row, Item>(
  rows: Row[],
  limit: number,
  { item, position }: { item: (row: Row) => Item; position: (row: Row) => unknown },
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  const nextCursor = last === undefined ? null : Buffer.from(JSON.stringify(position(last))).toString('base64url');
  return { items: shown.map(item), nextCursor };
}
