import { isPolicyTest, type Page } from '@countersign/contracts';
import { ProblemError, type Caller } from '@countersign/platform';
import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { PolicyDatabase } from '../policy-database';
import { ApplyDocuments } from './apply-documents';
import { findDocument, listDocuments, type DocumentKey, type StoredDocument } from './document-rows';
import { requirePreconditions, type Preconditions } from './etag';
import { openCursor, pageOf } from './page';
import { keyOf } from './plan-changes';
import type { StoredState } from './stored-documents';

const position = z.tuple([z.string(), z.string()]);

export interface ListQuery {
  kind?: string | undefined;
  cursor?: string | undefined;
  limit: number;
}

export interface PutChange {
  caller: Caller;
  preconditions: Preconditions;
  /** Rules of lint whose errors do not refuse. */
  allow: readonly string[];
}

export interface PutOutcome {
  created: boolean;
  etag: string;
  document: unknown;
}

const notFound = (key: DocumentKey): ProblemError => new ProblemError('not-found', `There is no ${keyOf(key)}.`);

/** Single documents: what `/v1/resources` does with them. */
@Injectable()
export class Resources {
  constructor(
    private readonly database: PolicyDatabase,
    private readonly documents: ApplyDocuments,
  ) {}

  async list({ kind = undefined, cursor, limit }: ListQuery): Promise<Page<unknown>> {
    const after = openCursor(cursor, position);
    const query = { kind: kind ?? null, after, limit: limit + 1 };
    const rows = await this.database.run((manager) => listDocuments(manager, query));
    return pageOf(rows, limit, { item: ({ raw }) => raw, position: (row) => [row.kind, row.name] });
  }

  /** @throws ProblemError not-found */
  async get(key: DocumentKey): Promise<StoredDocument> {
    const document = await this.database.run((manager) => findDocument(manager, key));
    if (document === undefined) throw notFound(key);
    return document;
  }

  /** Creates or replaces one document. */
  async put(key: DocumentKey, raw: unknown, change: PutChange) {
    requireSameName(key, raw);
    const request = {
      raw: [raw],
      remove: [],
      prune: false,
      owner: 'api' as const,
      caller: change.caller,
      precondition: (state: StoredState) => requirePreconditions(change.preconditions, etagIn(state, key)),
    };
    const { results } = await this.documents.apply(request, { dryRun: false, requireKeys: false, allow: change.allow });
    const [result] = results;
    return { created: result?.action === 'created', etag: result?.etag ?? '', document: raw } satisfies PutOutcome;
  }

  /** @throws ProblemError not-found, precondition-failed, conflict (in use, or owned by the directory) */
  async delete(key: DocumentKey, change: { caller: Caller; preconditions: Preconditions }): Promise<void> {
    await this.documents.commit({
      raw: [],
      remove: [key],
      prune: false,
      owner: 'api',
      caller: change.caller,
      precondition: (state) => {
        const etag = etagIn(state, key);
        requirePreconditions(change.preconditions, etag);
        if (etag === null) throw notFound(key);
      },
    });
  }
}

const etagIn = ({ documents }: StoredState, key: DocumentKey): string | null => documents.get(keyOf(key))?.etag ?? null;

const envelope = z.object({ kind: z.string(), metadata: z.object({ name: z.string() }) });

/** What lacks a kind or a name altogether is for validation to describe. */
function requireSameName({ kind, name }: DocumentKey, raw: unknown): void {
  const parsed = envelope.safeParse(raw);
  if (!parsed.success) return;
  const { kind: givenKind, metadata } = parsed.data;
  const of = { document: 0, kind: givenKind, name: metadata.name, code: 'path_mismatch' };
  const errors = [
    ...(isPolicyTest(raw) ? [{ ...of, path: '/kind', code: 'not_stored', message: 'is run, never stored' }] : []),
    ...(givenKind === kind ? [] : [{ ...of, path: '/kind', message: `the path says ${kind}` }]),
    ...(metadata.name === name ? [] : [{ ...of, path: '/metadata/name', message: `the path says ${name}` }]),
  ];
  if (errors.length > 0)
    throw new ProblemError('invalid-document', 'The document is not the one of the path.', { errors });
}
