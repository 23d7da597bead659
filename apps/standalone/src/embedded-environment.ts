import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ConfigError, type Environment } from '@countersign/platform';

export interface EmbeddedEnvironment {
  /** What the services' own configuration classes read. */
  variables: Environment;
  dataDir: string;
  /** Null when the operator gave one. */
  adminTokenFile: string | null;
}

const isLoopback = (host: string): boolean => /^(127\.\d+\.\d+\.\d+|::1|localhost)$/.test(host);

/** The folder that holds everything; made when missing. */
export function dataFolder(given: Environment): string {
  const folder = resolve(given['COUNTERSIGN_DATA_DIR'] || '.countersign');
  mkdirSync(folder, { recursive: true });
  return folder;
}

/**
 * Fills in what one machine needs nobody to say: loopback, our public URL, warnings only. Secrets are made at the
 * first start and kept in the data folder, each in a file that only its user can read.
 */
export function embeddedEnvironment(given: Environment, dataDir: string): EmbeddedEnvironment {
  const host = given['COUNTERSIGN_HOST'] || '127.0.0.1';
  const port = given['COUNTERSIGN_PORT'] || '8080';
  if (port === '0' && !given['COUNTERSIGN_PUBLIC_URL']) {
    throw new ConfigError('COUNTERSIGN_PORT: 0 (any port) needs COUNTERSIGN_PUBLIC_URL');
  }
  const adminToken = secret(given, 'ADMIN_TOKEN', join(dataDir, 'admin-token'), () => randomBytes(32).toString('hex'));
  const key = secret(given, 'ENCRYPTION_KEY', join(dataDir, 'encryption-key'), () =>
    randomBytes(32).toString('base64'),
  );
  const variables = {
    COUNTERSIGN_HOST: host,
    COUNTERSIGN_PUBLIC_URL: `http://127.0.0.1:${port}`,
    COUNTERSIGN_ALLOW_LOOPBACK_ISSUERS: String(isLoopback(host)),
    COUNTERSIGN_LOG_LEVEL: 'warn',
    ...withoutEmpty(given),
    ...adminToken,
    ...key,
  };
  return { variables, dataDir, adminTokenFile: adminToken['COUNTERSIGN_ADMIN_TOKEN_FILE'] ?? null };
}

/** An empty variable means the same as none. */
const withoutEmpty = (given: Environment): Environment =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== ''));

function secret(given: Environment, name: string, file: string, make: () => string): Record<string, string> {
  if (given[`COUNTERSIGN_${name}`] || given[`COUNTERSIGN_${name}_FILE`]) return {};
  if (!existsSync(file)) writeFileSync(file, `${make()}\n`, { mode: 0o600, flag: 'wx' });
  chmodSync(file, 0o600);
  return { [`COUNTERSIGN_${name}_FILE`]: file };
}
