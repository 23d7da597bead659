import { ConfigError, UnavailableError, type Logger, type Resource } from '@countersign/platform';
import { Redis } from 'ioredis';
import { infoField } from './server-info';

/** The whole answer has a second: a call that takes longer than this is given up. */
const COMMAND_TIMEOUT_MS = 400;
const CONNECT_TIMEOUT_MS = 500;
/** A connection that stays silent after a command is replaced; a half-open one would stay for minutes. */
const SILENCE_MS = 2_000;
const LONGEST_RECONNECT_WAIT_MS = 500;

export interface RedisLinkOptions {
  /** `redis://user:password@host:port/db`; `rediss://` for TLS. */
  url: string;
  logger: Logger;
}

/** One connection to Redis; it connects in the background and reconnects for ever. Nothing waits in a queue. */
export class RedisLink implements Resource {
  readonly client: Redis;

  constructor({ url, logger }: RedisLinkOptions) {
    this.client = new Redis(url, {
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      // What is asked in one turn of the event loop goes out in one piece.
      enableAutoPipelining: true,
      autoResendUnfulfilledCommands: false,
      connectTimeout: CONNECT_TIMEOUT_MS,
      commandTimeout: COMMAND_TIMEOUT_MS,
      socketTimeout: SILENCE_MS,
      retryStrategy: (attempt) => Math.min(50 * attempt, LONGEST_RECONNECT_WAIT_MS),
      // A demoted primary keeps its connections: only a new one finds its successor.
      reconnectOnError: (error) => error.message.startsWith('READONLY'),
      disableClientInfo: true,
    });
    let wasReady = false;
    this.client.on('ready', () => {
      wasReady = true;
      logger.info('connected to Redis');
    });
    this.client.on('close', () => {
      if (wasReady) logger.warn('connection to Redis lost');
      wasReady = false;
    });
    // Without a listener ioredis writes to the console; attempts repeat several times a second.
    this.client.on('error', (error: Error) => logger.debug('error of Redis', { reason: error.message }));
  }

  /** Resolves when connected for the first time, or again. */
  async whenReady(): Promise<void> {
    if (this.client.status === 'ready') return;
    await new Promise<void>((resolve) => this.client.once('ready', () => resolve()));
  }

  async ping(): Promise<void> {
    await orUnavailable(this.client.ping());
  }

  async close(): Promise<void> {
    await this.client.quit().catch(() => undefined);
    this.client.disconnect();
  }
}

/** Starts to connect and returns at once. */
export const connectRedis = (options: RedisLinkOptions): RedisLink => new RedisLink(options);

/** Whatever Redis or the connection reports (lost, late, READONLY, OOM, LOADING, WRONGTYPE): it cannot be relied on. */
export async function orUnavailable<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw unavailable(error);
  }
}

/** The command with its arguments is a property of ioredis errors: only the message goes on. */
export const unavailable = (error: unknown): UnavailableError =>
  new UnavailableError('redis', { cause: new Error(error instanceof Error ? error.message : 'failed') });

/** The answers of a transaction; one that failed fails the whole, whatever the others did. @throws UnavailableError */
export function transactionResults(answers: [Error | null, unknown][] | null): unknown[] {
  if (answers === null) throw new UnavailableError('redis');
  return answers.map(([error, value]) => {
    if (error !== null) throw unavailable(error);
    return value ?? null;
  });
}

/**
 * Waits for the first connection and checks that Redis drops no key to make room: it would forget used tokens.
 * @throws ConfigError when its eviction policy is another than `noeviction`
 */
export async function assertNoEviction(link: RedisLink): Promise<void> {
  await link.whenReady();
  // INFO rather than CONFIG, which services need no permission for.
  const memory = await orUnavailable(link.client.info('memory'));
  const policy = infoField(memory, 'maxmemory_policy');
  if (policy === 'noeviction') return;
  throw new ConfigError(`Redis must run with maxmemory-policy noeviction, not ${policy ?? 'an unknown one'}`);
}
