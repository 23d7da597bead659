import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { forgetSubject, type AuditStreamName, type CloudEvent } from '@countersign/contracts';
import { AuditStream, Bus, InProcessBus, SqlAuditStream, type ConsumeOptions } from '@countersign/messaging';
import {
  AdminAccess,
  Clock,
  Logger,
  ServiceConfig,
  startService,
  type RunningService,
  UnavailableError,
} from '@countersign/platform';
import { SafeHttp, type SafeHttpOptions } from '@countersign/safe-http';
import { createTestDatabase } from '@countersign/testing';
import { AuditModule } from './audit.module';
import { AuditConfig } from './config';
import { AuditDatabase } from './database';
import { DeliverySettings } from './deliveries/delivery-settings';
import { LogSettings } from './log/log-settings';
import { RetentionSettings } from './retention/retention-settings';
import { GapSettings } from './trail/gap-settings';

export const PUBLIC_URL = 'https://sts.countersign.test';
const ADMIN_TOKEN = randomBytes(32).toString('hex');
export const ENVIRONMENT = {
  COUNTERSIGN_PUBLIC_URL: PUBLIC_URL,
  COUNTERSIGN_PORT: '0',
  COUNTERSIGN_HOST: '127.0.0.1',
  COUNTERSIGN_MANAGEMENT_PORT: '0',
  COUNTERSIGN_ADMIN_TOKEN: ADMIN_TOKEN,
  COUNTERSIGN_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
};
const DEADLINE_MS = 30_000;

/** Resolves with the first value that is not null, undefined or false; rejects after half a minute. */
export async function until<T>(what: string, look: () => Promise<T> | T): Promise<NonNullable<T>> {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const value = await look();
    if (value !== null && value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`waited in vain for: ${what}`);
    await delay(10);
  }
}

/** A stream whose handler fails, before or after its work, as often as told: the process died before the ack. */
export class FailingStream extends SqlAuditStream {
  failBefore = 0;
  failAfter = 0;

  /** On a machine busy with other tests the database may answer late: what would be a 503 is tried again. */
  override async append(stream: AuditStreamName, event: CloudEvent): Promise<void> {
    for (let triesLeft = 20; ; triesLeft -= 1) {
      try {
        return await super.append(stream, event);
      } catch (error) {
        if (!(error instanceof UnavailableError) || triesLeft === 0) throw error;
      }
    }
  }

  override consume(options: ConsumeOptions): void {
    super.consume({
      ...options,
      handler: async (batch) => {
        if (this.failBefore-- > 0) throw new Error('died before the batch was stored');
        await options.handler(batch);
        if (this.failAfter-- > 0) throw new Error('died before the batch was acknowledged');
      },
    });
  }
}

/** The real time, and what a test adds to it. */
export class MovableClock extends Clock {
  added = 0;
  override now(): number {
    return Date.now() + this.added;
  }
}

/** Whom policy was told to forget. */
export class StubPolicy {
  readonly forgotten: { issuer: string; subject: string }[] = [];
  answers = true;

  /** A bus on which it answers. */
  bus(logger: Logger): Bus {
    const bus = new InProcessBus(logger);
    bus.serve(forgetSubject, (subject) => {
      if (!this.answers) throw new Error('not today');
      return { forgotten: this.forgotten.push(subject) };
    });
    return bus;
  }
}

/** What the exchange and policy would say. */
export class StubAccess extends AdminAccess {
  keys: Awaited<ReturnType<AdminAccess['verificationKeys']>> = [];
  allowed: string[] = [];
  verificationKeys(): ReturnType<AdminAccess['verificationKeys']> {
    return Promise.resolve(this.keys);
  }
  isRevoked(): Promise<boolean> {
    return Promise.resolve(false);
  }
  isAllowed({ action }: { action: string }): Promise<boolean> {
    return Promise.resolve(this.allowed.includes(action));
  }
}

export interface Answer {
  status: number;
  headers: Headers;
  body: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- answers are judged by the tests
}

export interface AuditUnderTest {
  database: AuditDatabase;
  stream: FailingStream;
  clock: MovableClock;
  access: StubAccess;
  policy: StubPolicy;
  call(method: string, path: string, body?: unknown, token?: string | null): Promise<Answer>;
  /** As the administrator; for answers that do not end. */
  fetch(path: string, options?: RequestInit): Promise<Response>;
  /** A value of `/metrics`. */
  metric(name: string): Promise<number>;
  /** The bytes of an answer. */
  bytes(path: string): Promise<Buffer>;
  /** The rows of a statement, in a connection of the service's own user. */
  rows<Row>(sql: string, parameters?: unknown[]): Promise<Row[]>;
  stop(): Promise<void>;
}

interface AuditChanges {
  /** In the place of the one in PostgreSQL; the service closes it. */
  stream?: AuditStream;
  /** A database of before, which is left there. */
  databaseUrl?: string;
  gaps?: GapSettings;
  log?: LogSettings;
  /** How long the trail is kept; for ever unless told. */
  retentionDays?: number;
  witnesses?: string[];
  http?: Partial<SafeHttpOptions>;
}

const QUICK_RETENTION = { intervalMs: 50, soonMs: 20, retryMs: 50 };
const QUICK_DELIVERIES = { pollMs: 20, stopMs: 500, random: () => 0.5 };

const environmentOf = ({ witnesses = [], retentionDays }: AuditChanges): Record<string, string> => ({
  ...ENVIRONMENT,
  COUNTERSIGN_WITNESSES: witnesses.join(','),
  COUNTERSIGN_AUDIT_RETENTION_DAYS: retentionDays === undefined ? '' : String(retentionDays),
});

/** The whole module behind its real HTTP server, on a database of its own. */
export async function startAudit(
  server: { url: string },
  changes: Partial<DeliverySettings> = {},
  { log = new LogSettings(), gaps = new GapSettings(), ...others }: AuditChanges = {},
): Promise<AuditUnderTest> {
  const place = others.databaseUrl === undefined ? await createTestDatabase(server) : { url: others.databaseUrl };
  const environment = environmentOf(others);
  const logger = new Logger('audit', 'silent');
  const database = new AuditDatabase({ url: place.url, logger });
  const stream = new FailingStream({ query: (sql, parameters) => database.query(sql, parameters), logger });
  const clock = new MovableClock();
  const access = new StubAccess();
  const policy = new StubPolicy();
  const http = new SafeHttp({ allowLoopback: true, allowedPrivateCidrs: [], proxyUrl: null, ...others.http });
  await database.whenReady();
  const service = await startService({
    name: 'audit',
    config: new ServiceConfig(environment),
    logger,
    modules: [AuditModule],
    provide: [
      [AuditConfig, new AuditConfig(environment)],
      [AuditDatabase, database],
      [SafeHttp, http],
      [AuditStream, others.stream ?? stream],
      [Bus, policy.bus(logger)],
      [AdminAccess, access],
      [Clock, clock],
      [LogSettings, log],
      [GapSettings, gaps],
      [RetentionSettings, Object.assign(new RetentionSettings(), QUICK_RETENTION)],
      [DeliverySettings, Object.assign(new DeliverySettings(), QUICK_DELIVERIES, changes)],
    ],
  });
  const stop = async (): Promise<void> => {
    await service.stop();
    await http.close();
    if ('drop' in place) await place.drop();
  };
  return {
    database,
    stream,
    clock,
    access,
    policy,
    ...accessTo(service),
    rows: (sql, parameters) => database.query(sql, parameters, { limitMs: 30_000 }),
    stop,
  };
}

function accessTo(service: RunningService): Pick<AuditUnderTest, 'call' | 'fetch' | 'bytes' | 'metric'> {
  const fetchAsAdmin = (path: string, options: RequestInit = {}): Promise<Response> =>
    fetch(service.url + path, { ...options, headers: { ...options.headers, authorization: `Bearer ${ADMIN_TOKEN}` } });
  return {
    call: caller(service),
    fetch: fetchAsAdmin,
    bytes: async (path) => Buffer.from(await (await fetchAsAdmin(path)).arrayBuffer()),
    metric: async (name) => {
      const text = await (await fetch(`${service.managementUrl}/metrics`)).text();
      return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
    },
  };
}

function caller({ url }: RunningService): AuditUnderTest['call'] {
  return async (method, path, body, token = ADMIN_TOKEN) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    const { status, headers } = response;
    return { status, headers, body: isJson ? await response.json() : (await response.text()) || null };
  };
}

/** The ids of what is in the trail, in its order. */
export const eventIds = async (audit: AuditUnderTest): Promise<string[]> =>
  (await audit.rows<{ id: string }>('SELECT event_id AS id FROM audit.event ORDER BY sequence')).map(({ id }) => id);

/** For steps that undo what a test has started: taken after each test, the last first, whatever becomes of the others. */
export function undoneAfterEach(): (() => Promise<unknown>)[] {
  const steps: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    const failures: unknown[] = [];
    for (const step of steps.splice(0).reverse()) await step().catch((error: unknown) => failures.push(error));
    expect(failures).toEqual([]);
  });
  return steps;
}

/** An exchange event as the exchange makes them; `data` adds to it. */
export function exchangeEvent(data: Record<string, unknown> = {}, changes: Partial<CloudEvent> = {}): CloudEvent {
  return {
    specversion: '1.0',
    id: randomUUID(),
    source: PUBLIC_URL,
    type: 'dev.countersign.exchange.granted.v1',
    subject: 'github:repo:acme/web:ref:refs/heads/main',
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    data: {
      outcome: 'granted',
      issuer: 'github',
      class: null,
      reason: null,
      decision: { roles: ['deploy'], policies: ['p'], shadowRoles: [], statements: [], revision: 1 },
      traceId: 'a'.repeat(32),
      ...data,
    },
    ...changes,
  };
}

export interface Received {
  headers: IncomingHttpHeaders;
  body: string;
}

/** A webhook receiver; `answer` decides what becomes of each request, and may leave it hanging. */
export class Receiver {
  readonly received: Received[] = [];
  private server: Server | undefined;

  constructor(private readonly answer: (response: ServerResponse, received: Received, count: number) => void) {}

  async start(): Promise<string> {
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const received = { headers: request.headers, body: Buffer.concat(chunks).toString() };
        this.answer(response, received, this.received.push(received));
      });
    }).listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/hook`;
  }

  async stop(): Promise<void> {
    this.server?.closeAllConnections();
    if (this.server !== undefined) await once(this.server.close(), 'close');
  }
}
