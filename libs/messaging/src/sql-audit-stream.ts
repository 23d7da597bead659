import { setTimeout as delay } from 'node:timers/promises';
import type { AuditStreamName, CloudEvent } from '@countersign/contracts';
import { UnavailableError, type Logger } from '@countersign/platform';
import { AuditStream, type ConsumeOptions } from './audit-stream';
import {
  advancePosition,
  appendEvents,
  createTables,
  readEvents,
  registerConsumer,
  dropConsumed,
  trimRefusals,
  type Query,
} from './sql-audit-statements';

/** As much as JetStream's stream of refusals keeps. */
const MOST_REFUSALS = 100_000;
const TRIM_EVERY = 1_000;
const MOST_IN_ONE_INSERT = 500;
/** An append in this process wakes the consumers; this is for what another process left behind. */
const IDLE_MS = 1_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 3_000;

export interface SqlAuditStreamOptions {
  /** Parameterised SQL for PostgreSQL; rows as objects. */
  query: Query;
  logger: Logger;
  /** Most events that the stream of refusals keeps; as JetStream's unless given. */
  mostRefusals?: number;
}

interface Waiting {
  event: CloudEvent;
  resolve: () => void;
  reject: (reason: unknown) => void;
}

/**
 * The audit streams in two PostgreSQL tables, for the embedded mode: one process that appends and consumes. Appends
 * that come while one is written go into the next statement together, so that sequence and commit order are the same.
 */
export class SqlAuditStream extends AuditStream {
  private readonly stopping = new AbortController();
  private readonly waiting: Record<AuditStreamName, Waiting[]> = { audit: [], refusals: [] };
  private readonly writing: Record<AuditStreamName, boolean> = { audit: false, refusals: false };
  private readonly writers = new Set<Promise<void>>();
  private readonly loops: Promise<void>[] = [];
  /** The end of the last consumer of each durable name: those that share a name take turns. */
  private readonly turns = new Map<string, Promise<unknown>>();
  private wake = new AbortController();
  private prepared: Promise<void> | undefined;
  private sinceTrim = 0;

  constructor(private readonly options: SqlAuditStreamOptions) {
    super();
  }

  /** Makes schema `embedded` and the tables; done by the first use unless called before. */
  prepare(): Promise<void> {
    this.prepared ??= createTables(this.options.query).catch((error: unknown) => {
      this.prepared = undefined;
      throw error;
    });
    return this.prepared;
  }

  append(stream: AuditStreamName, event: CloudEvent): Promise<void> {
    if (this.stopping.signal.aborted) return Promise.reject(new UnavailableError('audit-stream'));
    return new Promise((resolve, reject) => {
      this.waiting[stream].push({ event, resolve, reject });
      if (this.writing[stream]) return;
      const writer = this.writeAll(stream);
      this.writers.add(writer);
      void writer.finally(() => this.writers.delete(writer));
    });
  }

  consume(options: ConsumeOptions): void {
    this.loops.push(this.consumeAll(options));
  }

  override async dropConsumed(): Promise<void> {
    await this.prepare()
      .then(() => dropConsumed(this.options.query, 'audit'))
      .catch((cause: unknown) => {
        throw new UnavailableError('audit-stream', { cause });
      });
  }

  async ping(): Promise<void> {
    await this.prepare()
      .then(() => this.options.query('SELECT 1', []))
      .catch((cause: unknown) => {
        throw new UnavailableError('audit-stream', { cause });
      });
  }

  async close(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.writers);
    this.wake.abort();
    await Promise.all(this.loops);
  }

  private async writeAll(stream: AuditStreamName): Promise<void> {
    this.writing[stream] = true;
    while (this.waiting[stream].length > 0) {
      const group = this.waiting[stream].splice(0, MOST_IN_ONE_INSERT);
      try {
        await this.prepare();
        await appendEvents(
          this.options.query,
          stream,
          group.map(({ event }) => event),
        );
        group.forEach(({ resolve }) => resolve());
      } catch (cause) {
        group.forEach(({ reject }) => reject(new UnavailableError('audit-stream', { cause })));
      }
      this.wakeConsumers();
      if (stream === 'refusals') await this.boundRefusals(group.length);
    }
    // In one step with the last look at the queue: whoever appends from now on starts the next round.
    this.writing[stream] = false;
  }

  private async boundRefusals(added: number): Promise<void> {
    const { query, logger, mostRefusals = MOST_REFUSALS } = this.options;
    this.sinceTrim += added;
    if (this.sinceTrim < Math.min(TRIM_EVERY, mostRefusals)) return;
    this.sinceTrim = 0;
    await trimRefusals(query, mostRefusals).catch((error: unknown) =>
      logger.warn('not trimmed', { reason: String(error) }),
    );
  }

  private async consumeAll(options: ConsumeOptions): Promise<void> {
    let failures = 0;
    while (!this.stopping.signal.aborted) {
      // Taken before reading: what is appended meanwhile wakes us at once.
      const { signal } = this.wake;
      try {
        const handled = await this.inTurn(options, () => this.consumeBatch(options));
        failures = 0;
        if (handled === 0) await this.rest(IDLE_MS, signal);
      } catch (error) {
        const { stream, durable } = options;
        this.options.logger.error('batch not handled, it comes again', { stream, durable, error });
        const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 8));
        await this.rest(pause, this.stopping.signal);
        failures += 1;
      }
    }
  }

  private async consumeBatch({ stream, durable, batchSize, handler }: ConsumeOptions): Promise<number> {
    if (this.stopping.signal.aborted) return 0;
    const { query, mostRefusals = MOST_REFUSALS } = this.options;
    await this.prepare();
    const position = await registerConsumer(query, stream, durable);
    const batch = await readEvents(query, { stream, after: position, limit: batchSize });
    const last = batch.at(-1);
    if (last === undefined) return 0;
    await handler(batch);
    await advancePosition(query, { stream, durable, position: last.streamSequence });
    if (stream === 'refusals') await trimRefusals(query, mostRefusals);
    return batch.length;
  }

  private inTurn<T>({ stream, durable }: ConsumeOptions, work: () => Promise<T>): Promise<T> {
    const name = `${stream}/${durable}`;
    const turn = (this.turns.get(name) ?? Promise.resolve()).then(work);
    this.turns.set(
      name,
      turn.catch(() => undefined),
    );
    return turn;
  }

  private wakeConsumers(): void {
    const sleeping = this.wake;
    this.wake = new AbortController();
    sleeping.abort();
  }

  private async rest(milliseconds: number, signal: AbortSignal): Promise<void> {
    await delay(milliseconds, undefined, { signal }).catch(() => undefined);
  }
}
