import type { Logger } from '@countersign/platform';
import { Database } from '@countersign/postgres';
import { CreateDocuments1763640000000 } from './migrations/1763640000000-create-documents';

export interface PolicyDatabaseOptions {
  url: string;
  /** For the owner of the schema; without it `url` migrates too. */
  migrationUrl?: string | undefined;
  logger: Logger;
}

/** The `policy` schema: documents as they were given, and the history of their revisions. */
export class PolicyDatabase extends Database {
  constructor(options: PolicyDatabaseOptions) {
    const migrations = [CreateDocuments1763640000000];
    super({ ...options, schema: 'policy', entities: [], migrations, insertOnly: ['revision'] });
  }
}
