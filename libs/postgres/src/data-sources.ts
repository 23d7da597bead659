import 'reflect-metadata';
import { DataSource, type EntitySchema, type Logger, type MigrationInterface } from 'typeorm';
import type { PostgresDataSourceOptions } from 'typeorm/driver/postgres/PostgresDataSourceOptions';

export type Class<T> = new () => T;

/** Server side: the server gives up on a statement, and the connection stays good. */
export const STATEMENT_LIMIT_MS = 850;
/** Client side, for a server that does not answer at all: a little later, and the connection is thrown away. */
export const READ_LIMIT_MS = 900;
const CONNECT_LIMIT_MS = 500;

/** TypeORM's own loggers write failed migrations to the console, whatever they are told. */
const SILENT: Logger = {
  logQuery: () => undefined,
  logQueryError: () => undefined,
  logQuerySlow: () => undefined,
  logSchemaBuild: () => undefined,
  logMigration: () => undefined,
  log: () => undefined,
};

function baseOptions(url: string, schema: string): PostgresDataSourceOptions {
  return {
    type: 'postgres',
    url,
    schema,
    applicationName: `countersign ${schema}`,
    logging: false,
    logger: SILENT,
    synchronize: false,
    uuidExtension: 'pgcrypto',
    installExtensions: false,
    migrationsTableName: 'migrations',
  };
}

/** The pool that requests use; what one statement may take is bounded on both sides. */
export function requestDataSource(
  options: {
    url: string;
    schema: string;
    entities: (EntitySchema | Class<object>)[];
    settings?: Record<string, string>;
  },
  onIdleError: (error: unknown) => void,
): DataSource {
  return new DataSource({
    ...baseOptions(options.url, options.schema),
    entities: options.entities,
    poolErrorHandler: onIdleError,
    extra: {
      connectionTimeoutMillis: CONNECT_LIMIT_MS,
      query_timeout: READ_LIMIT_MS,
      statement_timeout: STATEMENT_LIMIT_MS,
      idle_in_transaction_session_timeout: 60_000,
      idleTimeoutMillis: 60_000,
      keepAlive: true,
      options: Object.entries({ search_path: options.schema, ...options.settings })
        .map(([name, value]) => `-c ${name}=${value}`)
        .join(' '),
    },
  });
}

/** One connection without limits of time. */
export function migrationDataSource(url: string, schema: string, migrations: Class<MigrationInterface>[]): DataSource {
  return new DataSource({
    ...baseOptions(url, schema),
    migrations,
    migrationsTransactionMode: 'each',
    poolErrorHandler: () => undefined,
    extra: { max: 1, connectionTimeoutMillis: 5_000, keepAlive: true, options: `-c search_path=${schema}` },
  });
}
