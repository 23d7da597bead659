import { verificationKeysChanged } from '@countersign/contracts';
import { Bus } from '@countersign/messaging';
import { Clock, Logger, newTrace, Readiness, Schedule, SealError, UnavailableError } from '@countersign/platform';
import { signAccessToken, type AccessTokenClaims, type Jwk, type SigningKey } from '@countersign/tokens';
import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { KEY_TIMES } from './key-times';
import { KeyRotation, type RotationOrder } from './key-rotation';
import { SigningKeyStore, type StoredKey, type StoredKeys } from './signing-key-store';

const POLL_MS = 5_000;
const RETRY_MS = 500;
const UNREADABLE = 'a signing key cannot be opened: COUNTERSIGN_ENCRYPTION_KEY is not the one that sealed it';

/**
 * Our signing keys, ready in memory: what is published, and what to sign with. Follows the database, where replicas
 * agree on them, and rotates when that is due.
 */
@Injectable()
export class SigningKeys implements OnApplicationBootstrap, OnApplicationShutdown {
  private active: SigningKey | null = null;
  private published: Jwk[] = [];
  /** By kid; the objects stay the same, since imported keys are remembered by them. */
  private opened = new Map<string, SigningKey>();
  private readonly unreadable = new Set<string>();
  private confirmedAt = 0;
  private started = false;
  private refreshing: Promise<void> = Promise.resolve();
  private readonly following = new Schedule(async () => {
    await this.refresh();
    return this.active === null ? RETRY_MS : POLL_MS;
  });

  constructor(
    private readonly clock: Clock,
    private readonly store: SigningKeyStore,
    private readonly rotation: KeyRotation,
    private readonly bus: Bus,
    private readonly logger: Logger,
    readiness: Readiness,
  ) {
    readiness.add('signing-keys', async () => void this.signingKey());
    bus.subscribe(verificationKeysChanged, () => this.refresh());
  }

  onApplicationBootstrap(): void {
    void this.store.whenReady().then(
      () => this.following.start(0),
      () => undefined,
    );
  }

  onApplicationShutdown(): Promise<void> {
    return this.following.stop();
  }

  /** Public keys to verify our tokens with (RFC 7517), the active one first. Throws UnavailableError before they are known. */
  verificationKeys(): Jwk[] {
    if (this.published.length === 0) throw new UnavailableError('postgres');
    return this.published;
  }

  /** Signs with the active key; UnavailableError while there is none, or none that is known to be active still. */
  sign(claims: AccessTokenClaims): string {
    return signAccessToken({ claims, key: this.signingKey() });
  }

  /** Rotates now, or makes sure that it will be done as soon as it may; all replicas hear of it. */
  async rotate(order: RotationOrder): Promise<void> {
    await this.rotation.run(order);
    await this.refresh();
    this.bus.publish(verificationKeysChanged, {});
  }

  /** Resolves when what the database said after this call is in force here, or could not be had (which is logged). */
  refresh(): Promise<void> {
    this.refreshing = this.refreshing
      .then(() => this.load())
      .catch((error: unknown) => this.logger.warn('signing keys not loaded', { reason: String(error) }));
    return this.refreshing;
  }

  /** Resolves when no refresh is under way. */
  settled(): Promise<void> {
    return this.refreshing;
  }

  private signingKey(): SigningKey {
    const isConfirmed = this.clock.now() < this.confirmedAt + KEY_TIMES.unconfirmed * 1000;
    if (this.active === null || !isConfirmed) throw new UnavailableError('postgres');
    return this.active;
  }

  private async load(): Promise<void> {
    const before = await this.store.read();
    const changed = await this.rotateWhenDue(before);
    const { keys } = changed ? await this.store.read() : before;
    this.published = keys.map(({ publicJwk }) => publicJwk);
    if (changed) this.bus.publish(verificationKeysChanged, {});
    await this.open(keys);
  }

  /** What fails here is tried again at the next turn; the keys there are stay good. */
  private async rotateWhenDue(stored: StoredKeys): Promise<boolean> {
    const occasion = this.started ? 'time' : 'start';
    try {
      const due = this.rotation.isDue(stored, occasion);
      if (due) await this.rotation.run({ occasion, author: 'system', trace: newTrace() });
      this.started = true;
      return due;
    } catch (error) {
      if (!(error instanceof SealError)) this.logger.warn('signing keys not rotated', { reason: String(error) });
      return false;
    }
  }

  /** A next key is opened long before it signs, so that a wrong encryption key is noticed in time. */
  private async open(keys: StoredKey[]): Promise<void> {
    const opened = new Map<string, SigningKey>();
    for (const key of keys.filter(({ state }) => state !== 'retired')) {
      const known = this.opened.get(key.kid) ?? (await this.tryToOpen(key));
      if (known !== null) opened.set(key.kid, known);
    }
    this.opened = opened;
    const active = opened.get(keys.find(({ state }) => state === 'active')?.kid ?? '');
    if (active === undefined) return;
    this.active = active;
    this.confirmedAt = this.clock.now();
  }

  private async tryToOpen(key: StoredKey): Promise<SigningKey | null> {
    try {
      return await this.store.open(key);
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      if (!this.unreadable.has(key.kid)) this.logger.error(UNREADABLE, { kid: key.kid, state: key.state });
      this.unreadable.add(key.kid);
      return null;
    }
  }
}
