import type { Page, SigningKeyAnswer } from '@countersign/contracts';
import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { ExchangeDatabase } from '../database';

interface ListedRow {
  position: string;
  kid: string;
  alg: string;
  state: SigningKeyAnswer['state'];
  createdAt: Date;
  activatedAt: Date | null;
  retiredAt: Date | null;
  publishedUntil: Date | null;
}

const writeCursor = (position: string): string => Buffer.from(`k${position}`).toString('base64url');
const readCursor = (cursor: string): string =>
  /^k(\d{1,18})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'))?.[1] ?? '';

/** Query of `GET /v1/signing-keys`; the cursor becomes the position that the page before ended at. */
export const signingKeyQuerySchema = z.strictObject({
  cursor: z
    .string()
    .refine((cursor) => writeCursor(readCursor(cursor)) === cursor && readCursor(cursor) !== '', {
      message: 'is not a cursor of this list',
    })
    .transform(readCursor)
    .optional(),
  limit: z
    .string()
    .regex(/^([1-9]\d?|[1-4]\d\d|500)$/, { message: 'must be a number from 1 to 500' })
    .transform(Number)
    .optional()
    .default(50),
});

export type SigningKeyQuery = z.infer<typeof signingKeyQuerySchema>;

const asAnswer = (row: ListedRow): SigningKeyAnswer => ({
  kid: row.kid,
  alg: row.alg,
  state: row.state,
  createdAt: row.createdAt.toISOString(),
  activatedAt: row.activatedAt && row.activatedAt.toISOString(),
  retiredAt: row.retiredAt && row.retiredAt.toISOString(),
  publishedUntil: row.publishedUntil && row.publishedUntil.toISOString(),
});

/** All signing keys that ever were, the newest first; nothing of their private parts. */
@Injectable()
export class SigningKeyList {
  constructor(private readonly database: ExchangeDatabase) {}

  async page({ cursor, limit }: SigningKeyQuery): Promise<Page<SigningKeyAnswer>> {
    const rows = await this.database.query<ListedRow>(
      `SELECT position, kid, alg, state, created_at AS "createdAt", activated_at AS "activatedAt",
         retired_at AS "retiredAt", published_until AS "publishedUntil"
       FROM exchange.signing_key WHERE $1::bigint IS NULL OR position < $1 ORDER BY position DESC LIMIT $2`,
      [cursor ?? null, limit + 1],
    );
    const shown = rows.slice(0, limit);
    const last = shown.at(-1);
    const nextCursor = rows.length > limit && last !== undefined ? writeCursor(last.position) : null;
    return { items: shown.map(asAnswer), nextCursor };
  }
}
