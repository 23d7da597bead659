import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  checkIssuers,
  checkToken,
  getVerificationKeys,
  type CloudEvent,
  type IssuerProblem,
  type IssuerRegistration,
} from '@countersign/contracts';
import { AuditStream, Bus, InProcessBus, SqlAuditStream } from '@countersign/messaging';
import {
  AdminAccess,
  Logger,
  ServiceConfig,
  startService,
  type Environment,
  type HealthReport,
  type RunningService,
} from '@countersign/platform';
import { createTestDatabase, runSql, startPostgres, type TestServer } from '@countersign/testing';
import { generateSigningKey, signAccessToken, type AccessTokenClaims } from '@countersign/tokens';
import { PolicyConfig } from './config';
import { PolicyAdminAccess } from './decisions/policy-admin-access';
import { DirectoryTimes } from './directory/resources-directory';
import { PolicyDatabase } from './policy-database';
import { PolicyModule } from './policy.module';
import { MonotonicClock } from './snapshot/monotonic-clock';

export const PUBLIC_URL = 'https://sts.example';
export const ADMIN_TOKEN = 'a'.repeat(32);

const DEADLINE_MS = 30_000;
const PAUSE_MS = 5;

export const testdata = (name: string): string => readFileSync(join(__dirname, '../testdata', name), 'utf8');

/** What a test reads of an answer. */
export interface Answer {
  status: number;
  headers: Headers;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- bodies are whatever the test asserts on
  body: any;
}

export interface Call {
  method?: string;
  body?: string | object;
  type?: string;
  headers?: Record<string, string>;
  /** null: no credentials. */
  token?: string | null;
}

export class FakeClock extends MonotonicClock {
  private time = 0;

  override now(): number {
    return this.time;
  }

  advance(milliseconds: number): void {
    this.time += milliseconds;
  }
}

/** The policy service over HTTP, with a database of its own; the exchange and discovery are stubs on its bus. */
export interface PolicyService {
  bus: Bus;
  stream: AuditStream;
  databaseUrl: string;
  database: PolicyDatabase;
  clock: FakeClock;
  call: (path: string, call?: Call) => Promise<Answer>;
  apply(yaml: string, query?: string): Promise<Answer>;
  token(claims?: Partial<AccessTokenClaims>): Promise<string>;
  sql(statement: string): Promise<void>;
  /** Makes somebody else the owner of a document, whoever wrote it. */
  handOver(name: string, owner: 'api' | 'directory'): Promise<void>;
  /** Back to nothing: no documents, no revisions, no events; discovery finds every issuer good. */
  empty(): Promise<void>;
  events(): Promise<CloudEvent[]>;
  /** `/health` of the management port, and the value of a metric there. */
  health(): Promise<HealthReport>;
  metric(name: string): Promise<number | null>;
  /** What discovery was asked to check, and what it answers. */
  discovery: { asked: IssuerRegistration[][]; problems: IssuerProblem[]; answers: boolean };
  /** What the exchange says of tokens, by `jti`. */
  exchange: { revoked: Set<string>; uses: Map<string, number>; answers: boolean };
  stop(): Promise<void>;
}

export interface PolicyServiceOptions {
  environment?: Environment;
  /** YAML of what is in force from the beginning. */
  documents?: string;
}

/** Waits until what is asked for holds; fails after half a minute unless told otherwise. */
export async function eventually<T>(
  probe: () => Promise<T>,
  holds: (value: T) => boolean,
  deadlineMs = DEADLINE_MS,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const value = await probe();
    if (holds(value)) return value;
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${JSON.stringify(value)}`);
    // What is waited for needs the processor, too.
    await delay(PAUSE_MS);
  }
}

export class PolicyServices {
  private postgres: TestServer | undefined;
  private readonly started: PolicyService[] = [];
  private readonly databases: { drop: () => Promise<void> }[] = [];

  async start({ environment = {}, documents }: PolicyServiceOptions = {}): Promise<PolicyService> {
    this.postgres ??= await startPostgres();
    const made = await createTestDatabase(this.postgres);
    this.databases.push(made);
    const service = await this.startOn(made.url, anotherBus(), environment);
    if (documents === undefined) return service;
    const answer = await service.apply(documents);
    if (answer.status !== 200) throw new Error(`not applied: ${JSON.stringify(answer.body)}`);
    return service;
  }

  /** One more process on the same database. */
  async startOn(
    databaseUrl: string,
    bus: Bus,
    environment: Environment = {},
    whenReady = true,
  ): Promise<PolicyService> {
    const service = await startPolicy(databaseUrl, bus, environment);
    this.started.push(service);
    if (whenReady) await ready(service);
    return service;
  }

  async stop(): Promise<void> {
    await Promise.all(this.started.map((service) => service.stop()));
    for (const database of this.databases) await database.drop();
    await this.postgres?.stop();
  }
}

export const silent = new Logger('test', 'silent');

/** The bus of a process that hears nothing of the others. */
export const anotherBus = (): InProcessBus => new InProcessBus(silent);

const untouched = (): PolicyService['discovery'] => ({ asked: [], problems: [], answers: true });
const EMPTY = 'TRUNCATE policy.document; TRUNCATE policy.revision RESTART IDENTITY; TRUNCATE embedded.stream_event';

const SETTINGS = {
  COUNTERSIGN_PUBLIC_URL: PUBLIC_URL,
  COUNTERSIGN_ADMIN_TOKEN: ADMIN_TOKEN,
  COUNTERSIGN_PORT: '0',
  COUNTERSIGN_MANAGEMENT_PORT: '0',
  COUNTERSIGN_HOST: '127.0.0.1',
};

async function startPolicy(databaseUrl: string, bus: Bus, environment: Environment): Promise<PolicyService> {
  const signing = await generateSigningKey('ES256');
  const discovery = untouched();
  const exchange: PolicyService['exchange'] = { revoked: new Set(), uses: new Map(), answers: true };
  serveNeighbours(bus, signing.publicJwk, discovery);
  serveTokenChecks(bus, exchange);
  const database = new PolicyDatabase({ url: databaseUrl, logger: silent });
  const stream = new SqlAuditStream({ query: (sql, parameters) => database.query(sql, parameters), logger: silent });
  const access = new PolicyAdminAccess(bus);
  const clock = new FakeClock();
  const settings = { ...SETTINGS, ...environment };
  const service = await startService({
    name: 'policy',
    config: new ServiceConfig(settings),
    logger: silent,
    modules: [PolicyModule],
    provide: [
      [PolicyConfig, new PolicyConfig(settings)],
      [PolicyDatabase, database],
      [Bus, bus],
      [AuditStream, stream],
      [AdminAccess, access],
      [PolicyAdminAccess, access],
      [MonotonicClock, clock],
      [DirectoryTimes, { pollMs: 500, quietMs: 50, events: true }],
    ],
  });
  let stopped: Promise<void> | undefined;
  const call = (path: string, options: Call = {}) => callService(service, path, options);
  const token = async (claims: Partial<AccessTokenClaims> = {}): Promise<string> =>
    signAccessToken({ claims: { ...someClaims(), ...claims }, key: signing });
  return {
    bus,
    stream,
    database,
    databaseUrl,
    clock,
    discovery,
    exchange,
    call,
    token,
    apply: (yaml: string, query = '') =>
      call(`/v1/apply${query}`, { method: 'POST', body: yaml, type: 'application/yaml' }),
    ...databaseOf(databaseUrl, database, discovery),
    ...managementOf(service),
    stop: () => (stopped ??= service.stop()),
  };
}

const databaseOf = (
  url: string,
  database: PolicyDatabase,
  discovery: PolicyService['discovery'],
): Pick<PolicyService, 'sql' | 'handOver' | 'empty' | 'events'> => ({
  sql: (statement) => runSql(url, statement),
  handOver: (name, owner) =>
    runSql(
      url,
      `UPDATE policy.document SET owner = '${owner}', revision = 1 + (SELECT max(number) FROM policy.revision)
       WHERE name = '${name}'`,
    ),
  empty: () => {
    Object.assign(discovery, untouched());
    return runSql(url, EMPTY);
  },
  events: async () => {
    const stored = "SELECT event FROM embedded.stream_event WHERE stream = 'audit' ORDER BY sequence";
    const rows = await database.query<{ event: string }>(stored);
    return rows.map(({ event }) => JSON.parse(event) as CloudEvent);
  },
});

const managementOf = ({ managementUrl }: RunningService): Pick<PolicyService, 'health' | 'metric'> => ({
  health: async () => (await fetch(`${managementUrl}/health`)).json() as Promise<HealthReport>,
  metric: async (name) => {
    const text = await (await fetch(`${managementUrl}/metrics`)).text();
    const [, value] = text.match(new RegExp(`^${name} (.+)$`, 'm')) ?? [];
    return value === undefined ? null : Number(value);
  },
});

async function ready({ database, call }: PolicyService): Promise<void> {
  await database.whenReady();
  await eventually(
    () => call('/health/ready', { token: null }),
    ({ status }) => status === 200,
  );
}

function serveNeighbours(bus: Bus, publicJwk: object & { kty: string }, discovery: PolicyService['discovery']): void {
  bus.serve(getVerificationKeys, () => ({ issuer: PUBLIC_URL, keys: [publicJwk] }));
  bus.serve(checkIssuers, ({ issuers }) => {
    discovery.asked.push(issuers);
    if (!discovery.answers) throw new Error('not today');
    const names = issuers.map(({ name }) => name);
    return { problems: discovery.problems.filter(({ name }) => names.includes(name)) };
  });
}

function serveTokenChecks(bus: Bus, exchange: PolicyService['exchange']): void {
  bus.serve(checkToken, ({ jti, countUse }) => {
    if (!exchange.answers) throw new Error('not today');
    if (exchange.revoked.has(jti)) return { revoked: true, uses: null };
    if (!countUse) return { revoked: false, uses: null };
    const uses = (exchange.uses.get(jti) ?? 0) + 1;
    exchange.uses.set(jti, uses);
    return { revoked: false, uses };
  });
}

async function callService({ url }: RunningService, path: string, options: Call): Promise<Answer> {
  const { method = 'GET', body } = options;
  const text = typeof body === 'object' ? JSON.stringify(body) : body;
  const response = await fetch(url + path, {
    method,
    headers: headersOf(options),
    ...(text === undefined ? {} : { body: text }),
  });
  const answer = await response.text();
  const isJson = /[/+]json/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    body: isJson ? (JSON.parse(answer) as unknown) : answer,
  };
}

function headersOf({ body, type, token = ADMIN_TOKEN, headers }: Call): Record<string, string> {
  const contentType = type ?? (typeof body === 'object' ? 'application/json' : undefined);
  return {
    ...(contentType === undefined ? {} : { 'content-type': contentType }),
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    ...headers,
  };
}

function someClaims(): AccessTokenClaims {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss: PUBLIC_URL,
    sub: 'keycloak:alice',
    aud: PUBLIC_URL,
    exp: now + 600,
    iat: now,
    nbf: now,
    jti: 'token-1',
    client_id: 'keycloak',
    roles: ['someone'],
    policy: [],
    fed: { iss: 'https://keycloak.example', sub: 'alice', jti: null, claims: {} },
  };
}
