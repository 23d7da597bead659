import type { Logger } from '@countersign/platform';
import { Database } from '@countersign/postgres';
import { CreateDocuments1763640000000 } from './migrations/1763640000000-create-documents';
import { CreateRecordedExchanges1764000000000 } from './migrations/1764000000000-create-recorded-exchanges';
import { CreateRepositoryPins1764100000000 } from './migrations/1764100000000-create-repository-pins';
import { CreateLastUses1764300000000 } from './migrations/1764300000000-create-last-uses';
import { AddRecordedRevision1764400000000 } from './migrations/1764400000000-add-recorded-revision';
import { CompressClaimsWithLz41764500000000 } from './migrations/1764500000000-compress-claims-with-lz4';
import { IndexDocumentRevisions1764600000000 } from './migrations/1764600000000-index-document-revisions';
import { AddDocumentSince1764700000000 } from './migrations/1764700000000-add-document-since';

export interface PolicyDatabaseOptions {
  url: string;
  /** For the owner of the schema; without it `url` migrates too. */
  migrationUrl?: string | undefined;
  logger: Logger;
}

/** What events bring is written in batches, which may take longer than a request's statement. */
export const BATCH_LIMIT = { limitMs: 10_000 };

/** The `policy` schema: documents as they were given, the history of their revisions, recorded exchanges. */
export class PolicyDatabase extends Database {
  constructor(options: PolicyDatabaseOptions) {
    const migrations = [
      CreateDocuments1763640000000,
      CreateRecordedExchanges1764000000000,
      CreateRepositoryPins1764100000000,
      CreateLastUses1764300000000,
      AddRecordedRevision1764400000000,
      CompressClaimsWithLz41764500000000,
      IndexDocumentRevisions1764600000000,
      AddDocumentSince1764700000000,
    ];
    super({
      ...options,
      schema: 'policy',
      entities: [],
      migrations,
      insertOnly: ['revision'],
      neverUpdated: ['recorded_exchanges', 'repository_pin'],
    });
  }
}
