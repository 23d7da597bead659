import { UnavailableError, type Logger, type Resource } from '@countersign/platform';
import type { DataSource, EntityManager, EntitySchema, MigrationInterface, QueryRunner } from 'typeorm';
import { READ_LIMIT_MS, STATEMENT_LIMIT_MS, requestDataSource, type Class } from './data-sources';
import { asUnavailable, describeFailure, isReadTimeout } from './failures';
import { migrate } from './migrate';
import type { QueryClient } from './prepared';

export interface DatabaseOptions {
  /** For the service's own, least privileged user. */
  url: string;
  /** For the user that owns the schema and may change it; without it `url` does both. */
  migrationUrl?: string | undefined;
  /** The PostgreSQL schema that this service owns; made by the first migration run. */
  schema: string;
  entities: (EntitySchema | Class<object>)[];
  migrations: Class<MigrationInterface>[];
  /** Tables that the service's own user may add to and read, and nothing else. */
  insertOnly?: string[];
  /** Tables whose rows it may add, read and delete, and never change. */
  neverUpdated?: string[];
  /** Tables that it may read, and nothing else. */
  readOnly?: string[];
  /** Functions that nobody else may call: they run as the owner of the tables. */
  functions?: string[];
  /** What the server is set to for its connections, such as `enable_seqscan`. */
  settings?: Record<string, string>;
  logger: Logger;
}

export interface Limit {
  /** What one statement may take, in milliseconds; 850 when not given. For batch work only. */
  limitMs?: number;
}

export interface QueryOptions extends Limit {
  /**
   * Each connection plans the statement of this name once. Only where the plan does not depend on how large a table is:
   * one that was made for a small table would stay for a while when it has grown.
   */
  name?: string;
}

const FIRST_PAUSE_MS = 50;
/** Ready within five seconds of the server, its own start and the migrations included. */
const LONGEST_PAUSE_MS = 2_000;
const ignore = (): void => undefined;

/** What else we need of a `pg` client beyond TypeORM's types. */
interface PgClient extends QueryClient {
  connectionParameters: { query_timeout: number | false };
  end(): Promise<void>;
}

/**
 * The connection pool of one service to its own schema. Connecting and migrating goes on in the background, for ever,
 * so that a service starts before its database; until then, and whenever the server is away, every method throws
 * UnavailableError('postgres') within a second. An UnavailableError of a commit leaves open whether it took place.
 */
export class Database implements Resource {
  private source: DataSource | undefined;
  /** What the server gives a statement, by connection, where it is not the usual time; NaN: not known. */
  private readonly limits = new WeakMap<PgClient, number>();
  private readonly closing = new AbortController();
  private readonly connecting: Promise<void>;

  constructor(private readonly options: DatabaseOptions) {
    this.connecting = this.connect();
    this.connecting.catch(ignore);
  }

  /** Resolves when connected and migrated for the first time; rejects when closed before that. */
  whenReady(): Promise<void> {
    return this.connecting;
  }

  /** Parameterised SQL; rows as objects, also those of `UPDATE … RETURNING`. */
  query<Row>(text: string, values: unknown[] = [], { name, ...limit }: QueryOptions = {}): Promise<Row[]> {
    return this.withRunner(limit, async (_, client) => (await client.query({ name, text, values })).rows as Row[]);
  }

  /** TypeORM's manager outside a transaction, on one connection. */
  run<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.withRunner({}, (runner) => work(runner.manager));
  }

  /** One transaction: commits when the work resolves, rolls back when it rejects. */
  transaction<T>(work: (manager: EntityManager) => Promise<T>, limit: Limit = {}): Promise<T> {
    return this.inTransaction(limit, (runner) => work(runner.manager));
  }

  dataSource(): DataSource {
    if (this.source === undefined) throw new UnavailableError('postgres');
    return this.source;
  }

  async ping(): Promise<void> {
    await this.query('SELECT 1');
  }

  async close(): Promise<void> {
    if (this.closing.signal.aborted) return;
    this.closing.abort();
    await this.connecting.catch(ignore);
    const { source } = this;
    this.source = undefined;
    await source?.destroy();
  }

  private inTransaction<T>(limit: Limit, work: (runner: QueryRunner) => Promise<T>): Promise<T> {
    return this.withRunner(limit, async (runner) => {
      await runner.startTransaction();
      try {
        const result = await work(runner);
        await runner.commitTransaction();
        return result;
      } catch (error) {
        // A connection that cannot roll back must not go back to the pool within its transaction.
        await runner.rollbackTransaction().catch(() => discard(runner));
        throw error;
      }
    });
  }

  private async withRunner<T>(
    { limitMs = STATEMENT_LIMIT_MS }: Limit,
    work: (runner: QueryRunner, client: PgClient) => Promise<T>,
  ): Promise<T> {
    const runner = this.dataSource().createQueryRunner();
    try {
      const client = (await runner.connect()) as PgClient;
      // Reset at each use, since pooled clients keep it. The server's own limit shall come first.
      client.connectionParameters.query_timeout = limitMs + READ_LIMIT_MS - STATEMENT_LIMIT_MS;
      await this.limitStatements(client, Math.ceil(limitMs));
      return await work(runner, client);
    } catch (error) {
      if (isReadTimeout(error)) await discard(runner);
      throw asUnavailable(error);
    } finally {
      await runner.release();
    }
  }

  /** Connections keep it, so that statements of one kind that follow each other cost no other statement. */
  private async limitStatements(client: PgClient, limitMs: number): Promise<void> {
    if ((this.limits.get(client) ?? STATEMENT_LIMIT_MS) === limitMs) return;
    this.limits.set(client, NaN);
    await client.query({ text: `SET statement_timeout = ${limitMs}` });
    this.limits.set(client, limitMs);
  }

  private async connect(): Promise<void> {
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      if (this.closing.signal.aborted) throw new UnavailableError('postgres');
      try {
        await migrate(this.options);
        this.source = await requestDataSource(this.options, (error) => this.onIdleError(error)).initialize();
        return;
      } catch (error) {
        this.options.logger.warn('cannot connect to the database or migrate it; trying again', {
          schema: this.options.schema,
          reason: describeFailure(error),
        });
        await pauseFor(pause * (0.5 + Math.random() / 2), this.closing.signal);
      }
    }
  }

  private onIdleError(error: unknown): void {
    // The pool says that it has ended before its last connections have.
    if (this.closing.signal.aborted) return;
    this.options.logger.warn('lost an idle database connection', { reason: describeFailure(error) });
  }
}

/** Cuts the connection; the pool drops it on release. One that is gone already is cut enough. */
async function discard(runner: QueryRunner): Promise<void> {
  const client = (await runner.connect().catch(() => null)) as PgClient | null;
  client?.end().catch(ignore);
}

function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
