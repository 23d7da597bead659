export { byteaArray, jsonbArray } from './binary-arrays';
export { openCluster, OWNER, type Cluster } from './cluster-folder';
export type { Class } from './data-sources';
export { Database, type DatabaseOptions, type Limit } from './database';
export { EmbeddedPostgres, type EmbeddedPostgresOptions } from './embedded-postgres';
export { isUniqueViolation, isUnstorable } from './failures';
export { queryPrepared } from './prepared';
