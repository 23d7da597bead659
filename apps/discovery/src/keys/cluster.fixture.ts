import { generateKeyPairSync } from 'node:crypto';
import { Clock, UnavailableError } from '@countersign/platform';
import type { ExpiringStore, Reservation } from '@countersign/redis';
import { issuerRegistration } from '@countersign/testing';
import { DiscoveryConfig } from '../config';
import { type FetchedKeys } from './fetch-keys';
import { FetchTurns } from './fetch-turns';
import { IssuerKeySet } from './issuer-key-set';
import { SharedKeyCache } from './shared-key-cache';

/** Stands until it is moved. */
export class TestClock extends Clock {
  private time = Date.UTC(2026, 0, 1);

  override now(): number {
    return this.time;
  }

  advance(seconds: number): void {
    this.time += seconds * 1_000;
  }
}

/** What is used of the store, over a map and a clock that is moved by hand; its adapters have their own suite. */
export class FakeStore implements Pick<ExpiringStore, 'get' | 'set' | 'reserve'> {
  readonly entries = new Map<string, { value: string; expiresAt: number | null }>();
  isDown = false;

  constructor(private readonly clock: Clock) {}

  private now(): number {
    return this.clock.now() / 1_000;
  }

  private alive(key: string): string | null {
    if (this.isDown) throw new UnavailableError('redis');
    const entry = this.entries.get(key);
    return entry === undefined || (entry.expiresAt ?? Infinity) <= this.now() ? null : entry.value;
  }

  async get(key: string): Promise<string | null> {
    return this.alive(key);
  }

  async set(key: string, value: string, expiresAt: number | null): Promise<void> {
    this.alive(key);
    if (expiresAt !== null && expiresAt <= this.now()) throw new RangeError('in the past');
    this.entries.set(key, { value, expiresAt });
  }

  async reserve(key: string, value: string, expiresAt: number, sentinelKey: string): Promise<Reservation> {
    if (this.alive(key) === null) await this.set(key, value, expiresAt);
    const heldBy = this.alive(key);
    return { reserved: heldBy === value, heldBy, sentinel: this.alive(sentinelKey), life: 'first', now: this.now() };
  }
}

export const issuer = issuerRegistration();

const made = new Map<string, FetchedKeys['keys'][number]>();

/** A real public key, the same for the same name. */
export function publicKey(kid: string, name = kid): FetchedKeys['keys'][number] {
  const known =
    made.get(name) ?? generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
  made.set(name, known as FetchedKeys['keys'][number]);
  return { kty: 'EC', crv: 'P-256', x: known.x ?? '', y: known.y ?? '', kid };
}

export const fetched = (...kids: string[]): FetchedKeys => ({
  keys: kids.map((kid) => publicKey(kid)),
  rejected: [],
  jwksUri: 'https://a.test/jwks',
  maxAgeSeconds: 600,
});

/** Replicas of discovery over one store, one clock and one issuer. */
export function startCluster(answer: () => Promise<FetchedKeys> | FetchedKeys) {
  const clock = new TestClock();
  const store = new FakeStore(clock);
  const asStore = store as unknown as ExpiringStore;
  const world = { answer, fetches: 0, changes: 0, failures: 0 };
  const cacheWith = (adminToken: string): SharedKeyCache =>
    new SharedKeyCache(asStore, clock, { adminToken } as DiscoveryConfig);
  const shared = cacheWith('t'.repeat(32));
  const replica = (registered = issuer, cache = shared): IssuerKeySet =>
    new IssuerKeySet(registered, {
      fetch: async () => {
        world.fetches += 1;
        return world.answer();
      },
      shared: cache,
      turns: new FetchTurns(asStore, clock),
      now: () => clock.now(),
      changed: () => void (world.changes += 1),
      failed: () => void (world.failures += 1),
    });
  return { clock, store, world, shared, cacheWith, replica };
}
