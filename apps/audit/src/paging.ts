import type { Page } from '@countersign/contracts';
import { z } from 'zod';

const LARGEST_POSITION = 9_223_372_036_854_775_807n;
const POSITION = /^p([1-9]\d{0,18})$/;

/** The position that a cursor stands for; null when it is none of ours. */
export function readCursor(cursor: string): string | null {
  const text = Buffer.from(cursor, 'base64url').toString('latin1');
  const [, position] = POSITION.exec(text) ?? [];
  if (position === undefined || BigInt(position) > LARGEST_POSITION) return null;
  return writeCursor(position) === cursor ? position : null;
}

export const writeCursor = (position: string): string => Buffer.from(`p${position}`).toString('base64url');

/** Query parameters of every list: a cursor (becomes the position that the page before ended at) and a limit. */
export const pageQuery = {
  cursor: z
    .string()
    .max(64)
    .refine((text) => readCursor(text) !== null, { message: 'is not a cursor of this list' })
    .transform((text) => readCursor(text) ?? '')
    .optional(),
  limit: z
    .string()
    .regex(/^\d{1,3}$/, { message: 'must be a number from 1 to 500' })
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= 500, { message: 'must be a number from 1 to 500' })
    .optional()
    .default(50),
};

export const pageQuerySchema = z.strictObject(pageQuery);
export type PageQuery = z.infer<typeof pageQuerySchema>;

/** A page from rows of which one more than the limit was asked for. */
export function pageOf<Row, Item>(
  rows: Row[],
  limit: number,
  read: { position: (row: Row) => string; item: (row: Row) => Item },
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const nextCursor = rows.length > limit && last !== undefined ? writeCursor(read.position(last)) : null;
  return { items: shown.map(read.item), nextCursor };
}
