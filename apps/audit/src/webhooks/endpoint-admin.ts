import { randomBytes } from 'node:crypto';
import type { RotatedSecretAnswer, WebhookAnswer } from '@countersign/contracts';
import { Clock, ProblemError, uuidV7, type Caller } from '@countersign/platform';
import { generateSecret } from '@countersign/webhooks';
import { Injectable } from '@nestjs/common';
import { AuditDatabase } from '../database';
import { EndpointCheck } from './endpoint-check';
import { EndpointEvents } from './endpoint-events';
import type { EndpointChanges, NewEndpoint } from './endpoint-schema';
import { EndpointStore } from './endpoint-store';

const SECRET_BYTES = 32;
/** Time for a receiver to learn its new secret. */
const OVERLAP_MS = 86_400_000;

/**
 * Changes to webhook endpoints. Each is recorded before its transaction commits: a change that the trail did not
 * take does not happen, and the trail may name one whose commit failed, never the other way round.
 */
@Injectable()
export class EndpointAdmin {
  constructor(
    private readonly database: AuditDatabase,
    private readonly store: EndpointStore,
    private readonly events: EndpointEvents,
    private readonly check: EndpointCheck,
    private readonly clock: Clock,
  ) {}

  /** @throws ProblemError 422 when the URL may not be called or its receiver does not agree; UnavailableError */
  async create(wanted: NewEndpoint, caller: Caller): Promise<WebhookAnswer> {
    this.check.url(wanted.url);
    const endpoint = { ...wanted, maxPerSecond: await this.check.handshake(wanted) };
    const now = this.clock.now();
    const id = uuidV7(now);
    const secret = generateSecret(randomBytes(SECRET_BYTES));
    const { url, ...settings } = endpoint;
    return this.database.transaction(async (manager) => {
      const answer = await this.store.insert(manager, { ...endpoint, id, secret, createdAt: new Date(now) });
      await this.events.record({ action: 'created', webhookId: id, url, caller, details: settings });
      return { ...answer, secret };
    });
  }

  /** @throws ProblemError 404, 422 when the receiver does not agree any more; UnavailableError */
  async update(id: string, wanted: EndpointChanges, caller: Caller): Promise<WebhookAnswer> {
    const changes = await this.agreed(id, wanted);
    return this.database.transaction(async (manager) => {
      const before = await this.lock(manager, id);
      await this.store.update(manager, id, changes);
      const action = changes.disabled === true && !before.disabled ? 'disabled' : 'updated';
      await this.events.record({ action, webhookId: id, url: before.url, caller, details: { ...changes } });
      return await this.lock(manager, id);
    });
  }

  /** @throws ProblemError 404; UnavailableError */
  rotateSecret(id: string, caller: Caller): Promise<RotatedSecretAnswer> {
    const secret = generateSecret(randomBytes(SECRET_BYTES));
    const previousExpiresAt = new Date(this.clock.now() + OVERLAP_MS);
    const previousSecretExpiresAt = previousExpiresAt.toISOString();
    return this.database.transaction(async (manager) => {
      const { url } = await this.lock(manager, id);
      await this.store.rotateSecret(manager, id, { secret, previousExpiresAt });
      const details = { previousSecretExpiresAt };
      await this.events.record({ action: 'rotated', webhookId: id, url, caller, details });
      return { secret, previousSecretExpiresAt };
    });
  }

  /** @throws ProblemError 404; UnavailableError */
  delete(id: string, caller: Caller): Promise<void> {
    return this.database.transaction(async (manager) => {
      const { url } = await this.lock(manager, id);
      await this.store.delete(manager, id);
      await this.events.record({ action: 'deleted', webhookId: id, url, caller });
    });
  }

  /** Sends an event of its own through the whole way, the trail included. @throws ProblemError 404, 409, 422 */
  async test(id: string, caller: Caller): Promise<{ eventId: string }> {
    const endpoint = await this.find(id);
    if (endpoint.disabled) throw new ProblemError('conflict', 'The webhook is disabled.');
    this.check.url(endpoint.url);
    const event = await this.events.record({ action: 'test', webhookId: id, url: endpoint.url, caller });
    return { eventId: event.id };
  }

  /** @throws ProblemError 404; UnavailableError */
  async find(id: string): Promise<WebhookAnswer> {
    return found(await this.store.find(id));
  }

  private async lock(manager: Parameters<EndpointStore['lock']>[0], id: string): Promise<WebhookAnswer> {
    return found(await this.store.lock(manager, id));
  }

  /** Enabling it, or delivering faster, is for the receiver to agree to again, where it was asked at first. */
  private async agreed(id: string, changes: EndpointChanges): Promise<EndpointChanges> {
    if (changes.disabled !== false && changes.maxPerSecond === undefined) return changes;
    const endpoint = await this.find(id);
    if (!endpoint.handshake) return changes;
    const { maxPerSecond = endpoint.maxPerSecond } = changes;
    return { ...changes, maxPerSecond: await this.check.handshake({ ...endpoint, maxPerSecond }) };
  }
}

function found(endpoint: WebhookAnswer | null): WebhookAnswer {
  if (endpoint === null) throw new ProblemError('not-found', 'There is no such webhook.');
  return endpoint;
}
