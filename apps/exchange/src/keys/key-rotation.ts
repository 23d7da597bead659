import type { EventType } from '@countersign/contracts';
import { AuditStream } from '@countersign/messaging';
import { createEvent, type Caller } from '@countersign/platform';
import { generateSigningKey, type GeneratedSigningKey } from '@countersign/tokens';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ExchangeConfig } from '../config';
import { KEY_TIMES } from './key-times';
import { planRotation, type Occasion, type RotationStep } from './plan-rotation';
import { SigningKeyStore, type StoredKeys } from './signing-key-store';

/** Why, on whose behalf (`system` or the caller of the API) and in which trace keys are rotated. */
export interface RotationOrder extends Caller {
  occasion: Occasion;
}

interface Work extends RotationOrder {
  manager: EntityManager;
  stored: StoredKeys;
  fresh: GeneratedSigningKey[];
  /** The key that was made to be active at once. */
  successor?: GeneratedSigningKey;
}

type KeyFacts = Record<string, unknown> & { kid: string };
type Retirement = Extract<RotationStep, { do: 'retire' }>;

/** Carries out the plan: under a lock, all or nothing, and not before its events are in the trail. */
@Injectable()
export class KeyRotation {
  constructor(
    private readonly config: ExchangeConfig,
    private readonly store: SigningKeyStore,
    private readonly stream: AuditStream,
  ) {}

  isDue(stored: StoredKeys, occasion: Occasion): boolean {
    return this.plan(stored, occasion).length > 0;
  }

  /**
   * Does what is to be done and resolves with whether anything was: another replica may have been first.
   * @throws SealError when our encryption key does not open the keys there are; UnavailableError
   */
  async run(order: RotationOrder): Promise<boolean> {
    const fresh = await this.prepare(await this.store.read(), order.occasion);
    return this.store.locked(async (manager, stored) => {
      // A replica with another encryption key must not add a key that only it can open.
      this.store.assertReadable(stored);
      const steps = this.plan(stored, order.occasion);
      const work: Work = { ...order, manager, stored, fresh };
      for (const step of steps) await this.take(step, work);
      await this.recordRotation(steps, work);
      return steps.length > 0;
    });
  }

  private plan({ keys, now }: StoredKeys, occasion: Occasion): RotationStep[] {
    return planRotation({ keys, now, alg: this.config.signingAlg, occasion, times: KEY_TIMES });
  }

  /** Made before the lock is taken: an RSA key takes a while. */
  private prepare(stored: StoredKeys, occasion: Occasion): Promise<GeneratedSigningKey[]> {
    const creations = this.plan(stored, occasion).filter((step) => step.do === 'create');
    return Promise.all(creations.map(() => generateSigningKey(this.config.signingAlg)));
  }

  private async take(step: RotationStep, work: Work): Promise<void> {
    const { manager, stored } = work;
    switch (step.do) {
      case 'retire':
        return this.store.retire(manager, step.kid, { now: stored.now, publishedUntil: step.publishedUntil });
      case 'activate':
        return this.store.activate(manager, step.kid, stored.now);
      case 'request':
        return this.store.request(manager, step.kid);
      case 'create':
        return this.create(step, work);
    }
  }

  private async create({ state, requested }: RotationStep & { do: 'create' }, work: Work): Promise<void> {
    const key = work.fresh.pop() ?? (await generateSigningKey(this.config.signingAlg));
    await this.store.insert(work.manager, key, { state, requested, now: work.stored.now });
    await this.record('dev.countersign.signing_key.created.v1', work, { kid: key.kid, alg: key.alg, state });
    if (state === 'active') work.successor = key;
  }

  /** Only when the active key is another one than before: the first one replaces nothing, a next one signed nothing. */
  private async recordRotation(steps: RotationStep[], work: Work): Promise<void> {
    const activated = steps.find((step) => step.do === 'activate')?.kid;
    const successor = work.successor ?? work.stored.keys.find(({ kid }) => kid === activated);
    const previous = work.stored.keys.find(({ state }) => state === 'active');
    if (successor === undefined || previous === undefined) return;
    const retired = steps.find((step) => step.do === 'retire' && step.kid === previous.kid) as Retirement;
    await this.record('dev.countersign.signing_key.rotated.v1', work, {
      kid: successor.kid,
      alg: successor.alg,
      previousKid: previous.kid,
      previousPublishedUntil: new Date(retired.publishedUntil).toISOString(),
      emergency: work.occasion === 'emergency',
    });
  }

  private record(type: EventType, { author, trace }: Work, about: KeyFacts): Promise<void> {
    const { traceId, requestId } = trace;
    const data = { ...about, author, traceId, requestId };
    const event = createEvent({ type, source: this.config.publicUrl, subject: about.kid, data, trace });
    return this.stream.append('audit', event);
  }
}
