import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { z } from 'zod';

const port = z.coerce.number().int().min(0).max(65_535);
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean),
);
function isRange(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const most = isIP(address) === 4 ? 32 : 128;
  return isIP(address) !== 0 && rest.length === 0 && (bits === undefined || (/^\d+$/.test(bits) && +bits <= most));
}
const ranges = list.refine((items) => items.every(isRange), {
  message: 'must be IP addresses or ranges (10.0.0.0/8), separated by commas',
});
const witnesses = list.refine((items) => items.every((item) => item.startsWith('/') || URL.canParse(item)), {
  message: 'must be URLs or absolute paths of files, separated by commas',
});
const flag = z.enum(['true', 'false', '1', '0']).transform((text) => text === 'true' || text === '1');
const serverUrl = (...schemes: string[]) =>
  z
    .string()
    .refine((text) => schemes.some((scheme) => text.startsWith(`${scheme}://`)), {
      message: `must start with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
    })
    .refine((text) => URL.canParse(text), { message: 'must be a URL' });
const httpUrl = serverUrl('https', 'http');
/** What `pg` takes for TLS that trusts whoever answers; every other way of asking for TLS verifies. */
const UNVERIFIED = /[?&](sslmode=no-verify|uselibpqcompat=)/i;
const databaseUrl = serverUrl('postgres', 'postgresql').refine((text) => !UNVERIFIED.test(text), {
  message:
    'must not ask for TLS that is not verified: sslmode=verify-full, with sslrootcert for an authority of your own',
});
/** Several servers of one cluster may be named. */
const natsUrls = z
  .string()
  .refine((text) => text.split(',').every((url) => serverUrl('nats', 'tls').safeParse(url.trim()).success), {
    message: 'must be URLs that start with nats:// or tls://, separated by commas',
  });
const publicUrl = httpUrl.refine((text) => !/[?#]|\/$/.test(text), {
  message: 'must have no query, no fragment and no trailing slash: it is our issuer, compared byte for byte',
});
const key32 = z
  .string()
  .transform((text) => Buffer.from(text, 'base64'))
  .refine((bytes) => bytes.length === 32, { message: 'must be 32 bytes in base64 (openssl rand -base64 32)' });
const adminToken = z.string().min(32, { message: 'must have at least 32 characters (openssl rand -hex 32)' });

/** Every variable that configures a service: its name without the prefix, and what it must look like. */
export const VARIABLES = {
  publicUrl: { name: 'PUBLIC_URL', schema: publicUrl },
  port: { name: 'PORT', schema: port.default(8080) },
  host: { name: 'HOST', schema: z.string().default('0.0.0.0') },
  managementPort: { name: 'MANAGEMENT_PORT', schema: port.optional() },
  logLevel: {
    name: 'LOG_LEVEL',
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  },
  trustedProxies: { name: 'TRUSTED_PROXIES', schema: ranges.default([]) },
  natsUrl: { name: 'NATS_URL', schema: natsUrls },
  streamReplicas: { name: 'STREAM_REPLICAS', schema: z.coerce.number().int().min(1).max(5).default(1) },
  redisUrl: { name: 'REDIS_URL', schema: serverUrl('redis', 'rediss') },
  databaseUrl: { name: 'DATABASE_URL', schema: databaseUrl },
  optionalDatabaseUrl: { name: 'DATABASE_URL', schema: databaseUrl.optional() },
  migrationDatabaseUrl: { name: 'MIGRATION_DATABASE_URL', schema: databaseUrl.optional() },
  adminToken: { name: 'ADMIN_TOKEN', schema: adminToken },
  encryptionKey: { name: 'ENCRYPTION_KEY', schema: key32 },
  previousEncryptionKey: { name: 'PREVIOUS_ENCRYPTION_KEY', schema: key32.optional() },
  resourcesDir: { name: 'RESOURCES_DIR', schema: z.string().optional() },
  dataDir: { name: 'DATA_DIR', schema: z.string().default('.countersign') },
  allowLoopbackIssuers: { name: 'ALLOW_LOOPBACK_ISSUERS', schema: flag.default(false) },
  allowedPrivateCidrs: { name: 'ALLOWED_PRIVATE_CIDRS', schema: ranges.default([]) },
  httpsProxy: { name: 'HTTPS_PROXY', schema: httpUrl.optional() },
  signingAlg: { name: 'SIGNING_ALG', schema: z.enum(['ES256', 'RS256', 'EdDSA']).default('ES256') },
  maxTokenLifetime: { name: 'MAX_TOKEN_LIFETIME', schema: z.coerce.number().int().min(60).max(86_400).default(86_400) },
  witnesses: { name: 'WITNESSES', schema: witnesses.default([]) },
  auditRetentionDays: {
    name: 'AUDIT_RETENTION_DAYS',
    schema: z.coerce.number().int().min(1).max(36_500).optional(),
  },
  doors: { name: 'DOORS', schema: list.default([]) },
} as const;

export type VariableKey = keyof typeof VARIABLES;
export type Environment = Readonly<Record<string, string | undefined>>;
export type Values<K extends VariableKey> = { readonly [P in K]: z.infer<(typeof VARIABLES)[P]['schema']> };

const PREFIX = 'COUNTERSIGN_';
/** Names with our prefix that others read: the CLI and the tests. */
const READ_BY_OTHERS = ['URL', 'TOKEN', 'TEST_NATS_URL', 'TEST_REDIS_URL', 'TEST_DATABASE_URL'];
const SECRETS: readonly string[] = [
  'NATS_URL',
  'REDIS_URL',
  'DATABASE_URL',
  'MIGRATION_DATABASE_URL',
  'ADMIN_TOKEN',
  'ENCRYPTION_KEY',
  'PREVIOUS_ENCRYPTION_KEY',
];

/** A variable is missing, unknown or wrong; the message is one line that names it and never its value. */
export class ConfigError extends Error {}

function rawValue(environment: Environment, name: string): string | undefined {
  const file = SECRETS.includes(name) ? environment[`${PREFIX}${name}_FILE`] : undefined;
  if (file === undefined) return environment[PREFIX + name] || undefined;
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    throw new ConfigError(`${PREFIX}${name}_FILE: cannot read ${file}`);
  }
}

function refuseUnknown(environment: Environment): void {
  const known = new Set<string>([...Object.values(VARIABLES).map(({ name }) => name), ...READ_BY_OTHERS]);
  for (const secret of SECRETS) known.add(`${secret}_FILE`);
  const unknown = Object.keys(environment).find(
    (name) => name.startsWith(PREFIX) && !known.has(name.slice(PREFIX.length)),
  );
  if (unknown !== undefined) throw new ConfigError(`${unknown}: no such setting`);
}

/** Reads the named variables, each secret also from the file that `…_FILE` names. Throws ConfigError. */
export function readVariables<K extends VariableKey>(environment: Environment, keys: readonly K[]): Values<K> {
  refuseUnknown(environment);
  const entries = keys.map((key) => {
    const { name, schema } = VARIABLES[key];
    const parsed = schema.safeParse(rawValue(environment, name));
    if (parsed.success) return [key, parsed.data];
    const missing = rawValue(environment, name) === undefined;
    throw new ConfigError(
      `${PREFIX}${name}: ${missing ? 'is required' : (parsed.error.issues[0]?.message ?? 'is invalid')}`,
    );
  });
  return Object.fromEntries(entries) as Values<K>;
}

/**
 * The class of a typed configuration, to be named and extended by each app and injected by that name:
 * `class ExchangeConfig extends configOf('publicUrl', 'signingAlg') {}`.
 */
export function configOf<K extends VariableKey>(...keys: K[]): new (environment: Environment) => Values<K> {
  return class {
    constructor(environment: Environment) {
      Object.assign(this, readVariables(environment, keys));
    }
  } as new (environment: Environment) => Values<K>;
}

/** What every service needs to listen, to log and to guard its admin endpoints. */
export class ServiceConfig extends configOf(
  'publicUrl',
  'port',
  'host',
  'managementPort',
  'logLevel',
  'trustedProxies',
  'adminToken',
) {}
