import type { AuditStreamName } from '@countersign/contracts';
import type { StreamedEvent } from '@countersign/messaging';
import { Clock, Logger } from '@countersign/platform';
import { isUnstorable } from '@countersign/postgres';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditDatabase } from '../database';
import { insertDeliveries } from '../deliveries/new-deliveries';
import { sealBatch } from '../personal-data/seal-batch';
import { SubjectKeys } from '../personal-data/subject-keys';
import { enabledEndpoints } from '../webhooks/endpoint-matching';
import { insertEvents } from './insert-events';
import { recordedEvent } from './recorded-event';
import { placeholderFor } from './placeholder-event';
import { noteSeen } from './stream-progress';
import { TRAIL_LOCK } from './trail-lock';

/** More than any event of ours has. PostgreSQL would hold what is too deep to be hashed, and the log would end there. */
const MOST_LEVELS = 64;
/** A full batch may take longer than a request's statement. */
const BATCH_LIMIT = { limitMs: 10_000 };

const KNOWN = `
  SELECT coalesce(max(sequence), 0) AS last,
    ARRAY(SELECT event_id FROM audit.event WHERE event_id = ANY ($1::text[])) AS known
  FROM audit.event`;

/** What came of a batch. */
export interface Stored {
  /** Events that the trail did not have. */
  events: number;
  deliveries: number;
}

/** Writes events into the trail, each once, numbered without a gap, with the deliveries that they cause. */
@Injectable()
export class TrailWriter {
  constructor(
    private readonly database: AuditDatabase,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly keys: SubjectKeys,
  ) {}

  /**
   * Stores a batch: resolves once it is committed. An event that cannot be stored is replaced by a placeholder with the
   * same id, so that it cannot hold up those behind it.
   * @throws UnavailableError
   */
  async store(stream: AuditStreamName, batch: StreamedEvent[]): Promise<Stored> {
    try {
      return await this.insert(stream, batch);
    } catch (error) {
      if (!isUnstorable(error)) throw error;
    }
    const stored = { events: 0, deliveries: 0 };
    for (const streamed of batch) {
      const { events, deliveries } = await this.storeAlone(stream, streamed);
      stored.events += events;
      stored.deliveries += deliveries;
    }
    return stored;
  }

  private async storeAlone(stream: AuditStreamName, streamed: StreamedEvent): Promise<Stored> {
    try {
      return await this.insert(stream, [streamed]);
    } catch (error) {
      if (!isUnstorable(error)) throw error;
      const { event, streamSequence } = streamed;
      this.logger.error('an event could not be stored; a placeholder stands for it', { error, stream, streamSequence });
      const placeholder = placeholderFor(event, new Date(this.clock.now()));
      return await this.insert(stream, [{ event: placeholder, streamSequence }]);
    }
  }

  private async insert(stream: AuditStreamName, batch: StreamedEvent[]): Promise<Stored> {
    const ring = await this.keys.ring();
    batch.forEach(({ event }) => refuseTooDeep(event, MOST_LEVELS));
    return this.database.transaction(async (manager) => {
      await manager.query(TRAIL_LOCK);
      // Also of those that the trail has already: they came.
      await noteSeen(
        manager,
        stream,
        batch.map(({ streamSequence }) => streamSequence),
      );
      const { fresh, last } = await newOnes(manager, batch);
      if (fresh.length === 0) return { events: 0, deliveries: 0 };
      const sealed = await sealBatch(
        manager,
        { keys: this.keys, ring },
        fresh.map(({ event }) => event),
      );
      const events = sealed.map((form, index) => ({
        ...(fresh[index] as StreamedEvent),
        form,
        sequence: String(last + index + 1),
      }));
      await insertEvents(manager, stream, events);
      const recorded = events.map(({ event, sequence }) => recordedEvent(event, sequence));
      const deliveries = await insertDeliveries(manager, recorded, await enabledEndpoints(manager), this.clock.now());
      return { events: events.length, deliveries };
    }, BATCH_LIMIT);
  }
}

/** What the trail does not have yet, as it came and each once, and the newest sequence. */
async function newOnes(
  manager: EntityManager,
  batch: readonly StreamedEvent[],
): Promise<{ fresh: StreamedEvent[]; last: number }> {
  // Of two with one id the first is stored.
  const byId = new Map(batch.toReversed().map((streamed) => [streamed.event.id, streamed]));
  const [row] = await manager.query<[{ last: string; known: string[] }]>(KNOWN, [[...byId.keys()]]);
  for (const id of row.known) byId.delete(id);
  return { fresh: [...byId.values()].toReversed(), last: Number(row.last) };
}

/** @throws RangeError */
function refuseTooDeep(value: unknown, levels: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (levels === 0) throw new RangeError(`more than ${MOST_LEVELS} levels`);
  for (const member of Object.values(value)) refuseTooDeep(member, levels - 1);
}
