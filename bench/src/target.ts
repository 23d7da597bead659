import { type TestServer } from '@countersign/testing';

/** Something that answers HTTP requests and is measured. */
export interface Target {
  name: string;
  /** Where the load goes. */
  url: string | readonly string[];
  /** Process ids by name; each counts with what it has started. */
  processes: Record<string, number>;
  stop: () => Promise<void>;
}

/** One that exchanges tokens. */
export interface ExchangeTarget extends Target {
  /** The request that exchanges this subject token. */
  exchangeRequest(subjectToken: string): string;
}

/** One of ours: documents can be applied to it. */
export interface OwnTarget extends ExchangeTarget {
  adminUrl: string;
  adminToken: string;
  /** Of a user that may do anything in the database of its documents. */
  databaseUrl: string;
  /** Only where the audit service is a process of its own. */
  audit?: Pick<TestServer, 'pause' | 'resume'>;
}
