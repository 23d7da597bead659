import { repositoryPinsChanged, type CloudEvent, type EventType, type PinAnswer } from '@countersign/contracts';
import { AuditStream, Bus } from '@countersign/messaging';
import { ProblemError, UnavailableError, createEvent, type Caller, type Trace } from '@countersign/platform';
import { pinKey, type RepositoryPin } from '@countersign/policy-engine';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { z } from 'zod';
import { PolicyConfig } from '../config';
import { openCursor, pageOf } from '../documents/page';
import { PolicyDatabase } from '../policy-database';
import { KnownRepositories } from './known-repositories';
import { deletePin, findPin, insertPin, listPins, toAnswer, type NewPin, type StoredPin } from './pin-rows';

export interface PinQuery {
  repository?: string | undefined;
  cursor?: string | undefined;
  limit: number;
}

const position = z.string().regex(/^\d{1,18}$/);

/** Pins repositories to the ids they are first seen with, and lets administrators take that back. */
@Injectable()
export class RepositoryPinning {
  private readonly pinning = new Map<string, Promise<RepositoryPin>>();

  constructor(
    private readonly database: PolicyDatabase,
    private readonly known: KnownRepositories,
    private readonly bus: Bus,
    private readonly stream: AuditStream,
    private readonly config: PolicyConfig,
  ) {}

  /**
   * Resolves when the repository is pinned, by this sighting or by one before it, and known here.
   * @throws UnavailableError when that cannot be told
   */
  async pin(sighting: RepositoryPin, subject: string, trace: Trace): Promise<void> {
    const key = pinKey(sighting);
    const running = this.pinning.get(key) ?? this.store({ ...sighting, subject, traceId: trace.traceId }, trace);
    this.pinning.set(key, running);
    try {
      this.known.add(await running);
    } finally {
      this.pinning.delete(key);
    }
  }

  async list({ repository, cursor, limit }: PinQuery) {
    const query = { repository: repository ?? null, before: openCursor(cursor, position), limit: limit + 1 };
    const rows = await this.database.run((manager) => listPins(manager, query));
    return pageOf<StoredPin, PinAnswer>(rows, limit, { item: toAnswer, position: ({ number }) => number });
  }

  /** The next exchange pins the repository anew. @throws ProblemError not-found */
  async delete(id: string, caller: Caller): Promise<void> {
    await this.database.transaction(async (manager) => {
      const pin = await deletePin(manager, id);
      if (pin === undefined) throw new ProblemError('not-found', `There is no pin ${id}.`);
      // Last before the commit: a change that the trail does not have must not stand.
      await this.stream.append('audit', this.event('dev.countersign.repository_pin.deleted.v1', pin, caller));
    });
    await this.known.refresh();
    this.bus.publish(repositoryPinsChanged, {});
  }

  private store(pin: NewPin, trace: Trace): Promise<RepositoryPin> {
    return this.database.transaction(
      async (manager) => (await this.insert(manager, pin, trace)) ?? existing(manager, pin),
    );
  }

  private async insert(manager: EntityManager, pin: NewPin, trace: Trace): Promise<StoredPin | undefined> {
    const stored = await insertPin(manager, pin);
    if (stored === undefined) return undefined;
    const event = this.event('dev.countersign.repository_pin.created.v1', stored, { author: 'system', trace });
    await this.stream.append('audit', event);
    return stored;
  }

  private event(type: EventType, pin: StoredPin, { author, trace }: Caller): CloudEvent {
    const { id: pinId, iss, path: repository, repositoryId, ownerId, subject } = pin;
    const { traceId, requestId } = trace;
    const data = { pinId, iss, repository, repositoryId, ownerId, subject, author, traceId, requestId };
    return createEvent({ type, source: this.config.publicUrl, subject: repository, data, trace });
  }
}

/** Deleted between our two looks: whoever asks again begins anew. */
async function existing(manager: EntityManager, pin: NewPin): Promise<StoredPin> {
  const found = await findPin(manager, pin);
  if (found === undefined) throw new UnavailableError('policy');
  return found;
}
