import { ConfigError, UnavailableError, isOlderThan, type Logger, type Resource } from '@countersign/platform';
import { Redis } from 'ioredis';
import { infoField } from './server-info';

/** The whole answer has a second: a call that takes longer than this is given up. */
const COMMAND_TIMEOUT_MS = 400;
const CONNECT_TIMEOUT_MS = 500;
/** A connection that stays silent after a command is replaced; a half-open one would stay for minutes. */
const SILENCE_MS = 2_000;
const LONGEST_RECONNECT_WAIT_MS = 500;
/** The oldest that deploy/redis and the tests are for. */
const OLDEST_VERSION = '7.0.0';

export interface RedisLinkOptions {
  /** `redis://user:password@host:port/db`; `rediss://` for TLS. */
  url: string;
  logger: Logger;
}

/**
 * One connection to Redis; it connects in the background and reconnects for ever. Nothing waits in a queue while it is
 * away, and nobody joins the queue while it is late.
 */
export class RedisLink implements Resource {
  readonly client: Redis;
  private readonly logger: Logger;
  private isLate = false;

  constructor({ url, logger }: RedisLinkOptions) {
    this.logger = logger;
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
      reconnectOnError: isDemoted,
      disableClientInfo: true,
    });
    let wasReady = false;
    this.client.on('ready', () => {
      wasReady = true;
      logger.info('connected to Redis');
      void this.warnOfVersion(logger);
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

  /**
   * While Redis owes answers for longer than a call may take, nobody gets in line: the wait would be in vain, and what
   * was asked for would be done all the same, later.
   * @throws UnavailableError
   */
  assertPrompt(): void {
    if (this.isLate) throw unavailable(new Error('older answers are owed'));
  }

  /**
   * The answer to a question; at once unavailable while Redis is late.
   * @throws UnavailableError whatever Redis or the connection reports: lost, late, READONLY, OOM, LOADING, WRONGTYPE
   */
  async ask<T>(question: (client: Redis) => Promise<T>): Promise<T> {
    this.assertPrompt();
    return this.askAnyway(question);
  }

  /** The same, late or not; for what follows a question that was asked, and never for more. @throws UnavailableError */
  async askAnyway<T>(question: (client: Redis) => Promise<T>): Promise<T> {
    try {
      return await question(this.client);
    } catch (error) {
      if (isTimeout(error)) void this.untilPrompt();
      throw unavailable(error);
    }
  }

  /** For an error within an answer, which ioredis does not look into. */
  noteError(error: Error): void {
    if (isDemoted(error) && this.client.status === 'ready') this.client.disconnect(true);
  }

  async ping(): Promise<void> {
    await this.ask((client) => client.ping());
  }

  /** Who does not answer is asked at the next connection. */
  private async warnOfVersion(logger: Logger): Promise<void> {
    const info = await this.client.info('server').catch(() => '');
    const version = infoField(info, 'redis_version') ?? '';
    if (isOlderThan(version, OLDEST_VERSION)) logger.warn(`Redis is older than ${OLDEST_VERSION}`, { version });
  }

  async close(): Promise<void> {
    await this.client.quit().catch(() => undefined);
    this.client.disconnect();
  }

  /** Answers come in the order of the questions: when that to a ping is in time, none before it is owed any more. */
  private async untilPrompt(): Promise<void> {
    if (this.isLate) return;
    this.isLate = true;
    this.logger.warn('Redis is late, and asked nothing until it is in time');
    while (this.client.status === 'ready' && (await this.client.ping().then(() => false, isTimeout)));
    this.isLate = false;
    this.logger.info('Redis is asked again');
  }
}

/** A demoted primary keeps its connections: only a new one finds its successor. */
const isDemoted = (error: Error): boolean => error.message.startsWith('READONLY');

/** What ioredis says when `commandTimeout` has passed. */
const isTimeout = (error: unknown): boolean => error instanceof Error && error.message === 'Command timed out';

/** Starts to connect and returns at once. */
export const connectRedis = (options: RedisLinkOptions): RedisLink => new RedisLink(options);

/** The command with its arguments is a property of ioredis errors: only the message goes on. */
export const unavailable = (error: unknown): UnavailableError =>
  new UnavailableError('redis', { cause: new Error(error instanceof Error ? error.message : 'failed') });

/** The answers of a transaction; one that failed fails the whole, whatever the others did. @throws Error */
export function transactionResults(answers: [Error | null, unknown][] | null): unknown[] {
  if (answers === null) throw new Error('the transaction was given up');
  return answers.map(([error, value]) => {
    if (error !== null) throw error;
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
  const memory = await link.ask((client) => client.info('memory'));
  const policy = infoField(memory, 'maxmemory_policy');
  if (policy === 'noeviction') return;
  throw new ConfigError(`Redis must run with maxmemory-policy noeviction, not ${policy ?? 'an unknown one'}`);
}
