import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { IssuerRegistration } from '@countersign/contracts';
import { Clock } from '@countersign/platform';
import { ExpiringStore } from '@countersign/redis';
import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { sourceOf } from './key-source';

/** At most one fetch in this time from one source, whatever is asked for and however it ends. */
export const COOLDOWN_MS = 30_000;
/** Longer than a fetch may take; who dies in its turn holds the others up for no longer. */
const LEASE_MS = 7_500;
const LOOK_AGAIN_MS = 100;
/** Clocks of replicas may differ by so much. */
const MAX_SKEW_MS = 60_000;

const KEY_PREFIX = 'cs:discovery:turn:';

const turn = z.object({
  state: z.enum(['fetching', 'done', 'failed']),
  /** When the fetch began, in epoch milliseconds. */
  at: z.number(),
  /** Tells two replicas apart that begin at the same moment. */
  by: z.string().optional(),
  kind: z.enum(['unreachable', 'invalid']).optional(),
  message: z.string().max(1_000).optional(),
});

/** A fetch that some replica does or did within the cooldown; `kind` and `message` tell why it failed. */
export type Turn = z.infer<typeof turn>;

/**
 * One fetch per source and cooldown, for all replicas: a key in the shared store that says who fetches, and then what
 * came of it. Without the store each replica keeps its own cooldown. Never throws.
 */
@Injectable()
export class FetchTurns {
  constructor(
    private readonly store: ExpiringStore,
    private readonly clock: Clock,
  ) {}

  /** `mine`: fetch now, then call `end`. Otherwise the turn that another replica has, or had within the cooldown. */
  async take(issuer: IssuerRegistration): Promise<'mine' | Turn> {
    const key = KEY_PREFIX + sourceOf(issuer);
    const now = this.clock.now();
    const mine = JSON.stringify({ state: 'fetching', at: now, by: randomUUID() } satisfies Turn);
    try {
      const { reserved, heldBy } = await this.store.reserve(key, mine, seconds(now + LEASE_MS), key);
      if (reserved) return 'mine';
      if (heldBy === null) return { state: 'fetching', at: now };
      const held = readTurn(heldBy);
      if (held !== null && Math.abs(now - held.at) < COOLDOWN_MS + MAX_SKEW_MS) return held;
    } catch {
      return 'mine';
    }
    // Held by what no replica of ours wrote: that must not keep keys from being fetched.
    await this.seize(issuer);
    return 'mine';
  }

  /** Takes the turn whoever has it: for a fetch that was asked for by name. */
  async seize(issuer: IssuerRegistration): Promise<void> {
    const now = this.clock.now();
    await this.write(issuer, { state: 'fetching', at: now }, now + LEASE_MS);
  }

  /** Tells the others what came of it; the cooldown goes on from when it began. */
  async end(issuer: IssuerRegistration, outcome: Turn): Promise<void> {
    await this.write(issuer, outcome, outcome.at + COOLDOWN_MS);
  }

  /** Waits until the turn of another replica has ended; null when that replica is gone, or the store is. */
  async outcome(issuer: IssuerRegistration): Promise<Turn | null> {
    const key = KEY_PREFIX + sourceOf(issuer);
    for (let waited = 0; waited <= LEASE_MS; waited += LOOK_AGAIN_MS) {
      const found = readTurn(await this.store.get(key).catch(() => null));
      if (found?.state !== 'fetching') return found;
      await delay(LOOK_AGAIN_MS);
    }
    return null;
  }

  private async write(issuer: IssuerRegistration, value: Turn, until: number): Promise<void> {
    await this.store.set(KEY_PREFIX + sourceOf(issuer), JSON.stringify(value), seconds(until)).catch(() => undefined);
  }
}

/** Rounded down: a cooldown that promises thirty seconds must not last thirty-one. */
const seconds = (milliseconds: number): number => Math.floor(milliseconds / 1000);

function readTurn(text: string | null): Turn | null {
  if (text === null) return null;
  try {
    return turn.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
