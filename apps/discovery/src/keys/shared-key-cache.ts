import { createHmac, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { IssuerRegistration } from '@countersign/contracts';
import { Clock } from '@countersign/platform';
import { ExpiringStore } from '@countersign/redis';
import { intakeKeys, type RejectedKey } from '@countersign/tokens';
import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { DiscoveryConfig } from '../config';
import type { FetchedKeys } from './fetch-keys';
import { sourceOf } from './key-source';

/** Fetched keys with the time at which the fetch began, in epoch milliseconds. */
export interface StoredKeys extends FetchedKeys {
  fetchedAt: number;
}

const KEY_PREFIX = 'cs:discovery:keys:';
const KEEP_MS = 3_600_000;
/** A clock further ahead than this makes keys look fresh for too long. */
const MAX_SKEW_MS = 60_000;

const storedKeys = z.object({
  keys: z.array(z.unknown()),
  rejected: z.array(z.object({ kid: z.string().nullable(), reason: z.string() })),
  jwksUri: z.string().nullable(),
  maxAgeSeconds: z.number().min(60).max(600),
  fetchedAt: z.number(),
});

const derive = promisify<string, string, number, Buffer>(scrypt);

/**
 * Fetched keys in Redis, so that replicas share a fetch and survive a restart. It helps and is never needed. Whoever
 * can write there must not choose whom we trust: an entry is bound to its issuer and source by an HMAC, and its keys
 * pass the intake again. What does not is as if it were not there.
 */
@Injectable()
export class SharedKeyCache {
  private readonly macKey: Promise<Buffer>;

  constructor(
    private readonly store: ExpiringStore,
    private readonly clock: Clock,
    config: DiscoveryConfig,
  ) {
    // Slow on purpose, and in another thread: the HMACs must be of no help to guess the admin token.
    this.macKey = derive(config.adminToken, 'countersign/issuer-key-cache/v1', 32);
  }

  /** The keys that some replica fetched within the last hour from where this document says. Never throws. */
  async read(issuer: IssuerRegistration): Promise<StoredKeys | null> {
    const key = KEY_PREFIX + sourceOf(issuer);
    const text = await this.store.get(key).catch(() => null);
    return text === null ? null : this.open(key, text);
  }

  /** Keeps them for the other replicas, and at most an hour. Never throws. */
  async write(issuer: IssuerRegistration, keys: StoredKeys): Promise<void> {
    const key = KEY_PREFIX + sourceOf(issuer);
    const text = JSON.stringify(keys);
    const expiresAt = Math.floor((keys.fetchedAt + KEEP_MS) / 1000);
    await this.store.set(key, `${await this.mac(key, text)}.${text}`, expiresAt).catch(() => undefined);
  }

  private async mac(key: string, text: string): Promise<string> {
    return createHmac('sha256', await this.macKey)
      .update(`${key}\n${text}`)
      .digest('base64url');
  }

  private async open(key: string, entry: string): Promise<StoredKeys | null> {
    const end = entry.indexOf('.');
    const text = entry.slice(end + 1);
    const [given, wanted] = [Buffer.from(entry.slice(0, Math.max(0, end))), Buffer.from(await this.mac(key, text))];
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return null;
    const parsed = storedKeys.safeParse(JSON.parse(text));
    if (!parsed.success) return null;
    const { keys } = intakeKeys({ keys: parsed.data.keys });
    const now = this.clock.now();
    const { fetchedAt } = parsed.data;
    if (keys.length === 0 || fetchedAt > now + MAX_SKEW_MS || fetchedAt <= now - KEEP_MS) return null;
    return { ...parsed.data, keys, rejected: parsed.data.rejected as RejectedKey[] };
  }
}
