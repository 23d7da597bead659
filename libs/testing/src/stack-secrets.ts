import { createHash, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export const NATS_USERS = ['discovery', 'exchange', 'policy', 'audit', 'subscriber'] as const;
export const REDIS_USERS = ['exchange', 'discovery'] as const;
export const DATABASE_ROLES = ['migrator', 'policy', 'exchange', 'audit'] as const;

export type NatsUser = (typeof NATS_USERS)[number];
export type RedisUser = (typeof REDIS_USERS)[number];
export type DatabaseRole = (typeof DATABASE_ROLES)[number];

/** The same secrets that deploy/make-secrets.sh makes, for one run. */
export interface StackSecrets {
  adminToken: string;
  /** 32 bytes in base64. */
  encryptionKey: string;
  nats: Record<NatsUser, string>;
  redis: Record<RedisUser, string>;
  postgres: Record<DatabaseRole, string>;
}

const hex = (): string => randomBytes(24).toString('hex');
const forEach = <K extends string>(names: readonly K[]): Record<K, string> =>
  Object.fromEntries(names.map((name) => [name, hex()])) as Record<K, string>;

export function makeSecrets(): StackSecrets {
  return {
    adminToken: hex(),
    encryptionKey: randomBytes(32).toString('base64'),
    nats: forEach(NATS_USERS),
    redis: forEach(REDIS_USERS),
    postgres: forEach(DATABASE_ROLES),
  };
}

/** Writes a file that only we can read; resolves with its path. */
export async function writeSecret(folder: string, name: string, value: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, name);
  await writeFile(path, value, { mode: 0o600 });
  return path;
}

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
