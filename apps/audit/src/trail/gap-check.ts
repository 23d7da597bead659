import { AUDIT_STREAMS, type AuditStreamName, type EventType } from '@countersign/contracts';
import { AuditStream, type StreamProgress } from '@countersign/messaging';
import { Clock, Logger } from '@countersign/platform';
import { Injectable, Optional } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditConfig } from '../config';
import { AuditDatabase } from '../database';
import { GapSettings } from './gap-settings';
import { ownEvent, repeatableId } from './own-event';
import {
  beginAgain,
  countMissing,
  noteMissing,
  settle,
  takeProgress,
  unreportedGaps,
  type Gap,
  type KnownProgress,
} from './stream-progress';
import { DURABLE } from './trail-consumer';

/** The rest is for the next look: each gap is an event. */
const MOST_GAPS = 20;

/** How many of its events never came, and what it takes of its storage; both are 0 where there is no NATS. */
export interface StreamState {
  missing: number;
  bytes: number;
}

/**
 * Looks for events that JetStream has numbered and that never came into the trail: deleted from the stream, dropped
 * before they were read, lost with a volume, or stored in a database that an older backup has replaced. Each gap is
 * reported once, over all replicas.
 */
@Injectable()
export class GapCheck {
  constructor(
    private readonly database: AuditDatabase,
    private readonly stream: AuditStream,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly config: AuditConfig,
    @Optional() private readonly settings: GapSettings = new GapSettings(),
  ) {}

  /** @throws UnavailableError */
  look(stream: AuditStreamName): Promise<StreamState> {
    return this.database.transaction(async (manager) => {
      // In this order: what is handed out when no batch can commit is at least all that has been committed.
      const known = await takeProgress(manager, stream);
      const now = await this.stream.progress(stream, DURABLE);
      if (now === null) return { missing: 0, bytes: 0 };
      if (hasBegunAgain(known, now)) await this.reportRestart(manager, stream, known, now);
      else await this.lookForGaps(manager, stream, known, now);
      return { missing: await countMissing(manager, stream), bytes: now.bytes };
    });
  }

  private async lookForGaps(
    manager: EntityManager,
    stream: AuditStreamName,
    { settledAt }: KnownProgress,
    now: StreamProgress,
  ): Promise<void> {
    const at = this.clock.now();
    // A clock that was put back must not hold anything up.
    if (settledAt !== null && Math.abs(at - settledAt.getTime()) < this.settings.patienceMs) return;
    const gaps = settledAt === null ? [] : await unreportedGaps(manager, stream, MOST_GAPS);
    for (const gap of gaps) await this.reportGap(manager, stream, gap, { ...now, foundAt: settledAt ?? new Date(at) });
    if (gaps.length < MOST_GAPS) await settle(manager, stream, now, new Date(at));
  }

  private async reportGap(
    manager: EntityManager,
    stream: AuditStreamName,
    { from, to }: Gap,
    { createdAt, foundAt }: { createdAt: string; foundAt: Date },
  ): Promise<void> {
    const { name } = AUDIT_STREAMS[stream];
    const data = { outcome: 'missing', stream: name, from, to, streamCreatedAt: createdAt };
    await this.record('dev.countersign.audit.gap_found.v1', foundAt, data);
    await noteMissing(manager, stream, { from, to });
    this.logger.error('events of a stream never came into the trail', { ...data });
  }

  private async reportRestart(
    manager: EntityManager,
    stream: AuditStreamName,
    { createdAt, highest }: KnownProgress,
    now: StreamProgress,
  ): Promise<void> {
    const data = {
      outcome: 'restarted',
      stream: AUDIT_STREAMS[stream].name,
      readUpTo: highest,
      previousCreatedAt: createdAt?.toISOString() ?? null,
      streamCreatedAt: now.createdAt,
    };
    await this.record('dev.countersign.audit.stream_restarted.v1', new Date(now.createdAt), data);
    await beginAgain(manager, stream, now);
    this.logger.error('a stream began again; what was in it before and not read is lost', { ...data });
  }

  /** Before the commit; should that fail, the next look makes an event with the same id, which is stored once. */
  private async record(type: EventType, since: Date, data: Record<string, unknown>): Promise<void> {
    const event = ownEvent(type, this.config.publicUrl, data);
    await this.stream.append('audit', { ...event, id: repeatableId(since, data) });
  }
}

/** Made anew, or put back to what it was some time ago. */
function hasBegunAgain({ createdAt, highest }: KnownProgress, now: StreamProgress): boolean {
  if (createdAt === null) return false;
  return createdAt.getTime() !== Date.parse(now.createdAt) || now.last < Number(highest);
}
