import { Database, type DatabaseOptions } from '@countersign/postgres';

/** A plan is made once, on tables that are still small, so it has to be the one for large ones: along the indexes. */
const BY_INDEX = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
};

/**
 * The connections of the twins, whose few statements are prepared. Services append from within their transactions, and
 * would wait for each other if both came from one pool.
 */
export class EmbeddedDatabase extends Database {
  private readonly names = new Map<string, string>();

  constructor(options: Pick<DatabaseOptions, 'url' | 'logger'>) {
    super({ ...options, schema: 'embedded', entities: [], migrations: [], settings: BY_INDEX });
  }

  /** Parameterised SQL of which there are few texts: each connection plans each of them once. */
  readonly prepared = <Row>(sql: string, parameters: unknown[]): Promise<Row[]> => {
    const name = this.names.get(sql) ?? `statement ${this.names.size}`;
    this.names.set(sql, name);
    return this.query<Row>(sql, parameters, { name });
  };
}
