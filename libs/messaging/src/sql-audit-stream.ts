import { setTimeout as delay } from 'node:timers/promises';
import type { AuditStreamName, CloudEvent } from '@countersign/contracts';
import { Gatherer, UnavailableError, type Logger } from '@countersign/platform';
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
/** Behind a statement that takes longer nobody waits: its time limit is about that of its callers. */
const PATIENCE_MS = 100;
/** An append in this process wakes the consumers of its stream; this is for what another process left behind. */
const IDLE_MS = 1_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 3_000;
/** After a batch that was not full: a batch costs about the same whether it holds one event or many. */
const GATHER_MS = 50;

export interface SqlAuditStreamOptions {
  /** Parameterised SQL for PostgreSQL; rows as objects. */
  query: Query;
  logger: Logger;
  /** Most events that the stream of refusals keeps; as JetStream's unless given. */
  mostRefusals?: number;
}

/**
 * The audit streams in two PostgreSQL tables, for the embedded mode: one process that appends and consumes. Appends
 * that come while one is written go into the next statement together.
 */
export class SqlAuditStream extends AuditStream {
  private readonly stopping = new AbortController();
  private readonly appends = { audit: this.gatherer('audit'), refusals: this.gatherer('refusals') };
  private trimming: Promise<void> = Promise.resolve();
  private readonly loops: Promise<void>[] = [];
  /** The end of the last consumer of each durable name: those that share a name take turns. */
  private readonly turns = new Map<string, Promise<unknown>>();
  private readonly wakes = { audit: new AbortController(), refusals: new AbortController() };
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
    return this.appends[stream].add(event);
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
    await Promise.all([this.appends.audit.settled(), this.appends.refusals.settled()]);
    await this.trimming;
    for (const wake of Object.values(this.wakes)) wake.abort();
    await Promise.all(this.loops);
  }

  private gatherer(stream: AuditStreamName): Gatherer<CloudEvent, void> {
    return new Gatherer({
      most: MOST_IN_ONE_INSERT,
      patienceMs: PATIENCE_MS,
      work: (events) => this.write(stream, events),
    });
  }

  private async write(stream: AuditStreamName, events: CloudEvent[]): Promise<void[]> {
    try {
      await this.prepare();
      await appendEvents(this.options.query, stream, events);
    } catch (cause) {
      throw new UnavailableError('audit-stream', { cause });
    } finally {
      // Also after a failure, which leaves open what was stored.
      this.wakeConsumers(stream);
      if (stream === 'refusals') this.trimming = this.trimming.then(() => this.boundRefusals(events.length));
    }
    return events.map(() => undefined);
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
    let isRegistered = false;
    while (!this.stopping.signal.aborted) {
      // Taken before reading: what is appended meanwhile wakes us at once.
      const { signal } = this.wakes[options.stream];
      try {
        if (!isRegistered) await this.register(options);
        isRegistered = true;
        const handled = await this.inTurn(options, () => this.consumeBatch(options));
        failures = 0;
        if (handled === 0) await this.rest(IDLE_MS, signal);
        else if (handled < options.batchSize) await this.rest(GATHER_MS, this.stopping.signal);
      } catch (error) {
        isRegistered = false;
        const { stream, durable } = options;
        this.options.logger.error('batch not handled, it comes again', { stream, durable, error });
        const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 8));
        await this.rest(pause, this.stopping.signal);
        failures += 1;
      }
    }
  }

  private async register({ stream, durable }: ConsumeOptions): Promise<void> {
    await this.prepare();
    await registerConsumer(this.options.query, stream, durable);
  }

  private async consumeBatch({ stream, durable, batchSize, handler }: ConsumeOptions): Promise<number> {
    if (this.stopping.signal.aborted) return 0;
    const { query, mostRefusals = MOST_REFUSALS } = this.options;
    const batch = await readEvents(query, { stream, durable, limit: batchSize });
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

  private wakeConsumers(stream: AuditStreamName): void {
    const sleeping = this.wakes[stream];
    this.wakes[stream] = new AbortController();
    sleeping.abort();
  }

  private async rest(milliseconds: number, signal: AbortSignal): Promise<void> {
    await delay(milliseconds, undefined, { signal }).catch(() => undefined);
  }
}
