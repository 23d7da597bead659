import type { IssuerRegistration, IssuerStatus } from '@countersign/contracts';
import type { Jwk, RejectedKey } from '@countersign/tokens';
import { KeyFetchError, type FetchedKeys } from './fetch-keys';
import { COOLDOWN_MS, type FetchTurns, type Turn } from './fetch-turns';
import { ageMs, issuerStatus, refreshAt, STALE_LIMIT_MS } from './issuer-status';
import type { SharedKeyCache, StoredKeys } from './shared-key-cache';

export interface KeySetPorts {
  fetch(issuer: IssuerRegistration): Promise<FetchedKeys>;
  shared: Pick<SharedKeyCache, 'read' | 'write'>;
  turns: Pick<FetchTurns, 'take' | 'seize' | 'end' | 'outcome'>;
  /** Epoch milliseconds. */
  now: () => number;
  /** This replica fetched other keys than before (`previous` null: the first ones). */
  changed(issuer: IssuerRegistration, previous: StoredKeys | null, current: StoredKeys): void;
  /** A fetch of this replica failed after one that had not. */
  failed(issuer: IssuerRegistration, error: KeyFetchError): void;
}

export type FoundKeys =
  { status: 'found'; keys: Jwk[]; rejectedKeys: RejectedKey[] } | { status: 'kid_unknown' } | { status: 'unavailable' };

/**
 * The keys of one trusted issuer: fetched once whoever asks on whichever replica, kept while the issuer fails, never
 * replaced by nothing, and never by what was fetched earlier.
 */
export class IssuerKeySet {
  private current: StoredKeys | null = null;
  private updating: Promise<void> | null = null;
  private refreshing: Promise<void> | null = null;
  private lastAttemptAt: number | null = null;
  private lastError: KeyFetchError | null = null;
  private isRetired = false;

  constructor(
    /** Replaced when the document changes; only with one whose keys come from the same place. */
    public issuer: IssuerRegistration,
    private readonly ports: KeySetPorts,
  ) {}

  /** The keys for a `kid` (all of them for null), fetching when there are none, they are old, or the kid is new. */
  async find(kid: string | null): Promise<FoundKeys> {
    // Twice: keys that another replica fetched since may lack the kid, and then it is our turn to ask the issuer.
    for (let round = 0; round < 2; round += 1) {
      const answer = this.lookUp(kid);
      if (answer.status === 'found' && this.isFresh()) return answer;
      if (this.updating === null && this.isCooling()) return answer;
      const update = this.update();
      // While the issuer fails nobody waits for keys that are known: they serve on.
      if (answer.status === 'found' && this.lastError !== null) return answer;
      await update;
    }
    return this.lookUp(kid);
  }

  /** Fetches now, whatever the cooldown and whoever else fetches; resolves also when it failed. */
  refresh(): Promise<void> {
    // A fetch under way may have asked before what the caller wants to see was published.
    this.refreshing ??= (this.updating ?? Promise.resolve()).then(() => {
      this.refreshing = null;
      return this.whileUpdating(async () => {
        if (this.isShared) await this.ports.turns.seize(this.issuer);
        await this.readShared();
        await this.fetch();
      });
    });
    return this.refreshing;
  }

  /** Fetches ahead of need when it is time to. */
  async refreshWhenDue(): Promise<void> {
    if (this.isDue()) await this.update();
  }

  /** Takes over what another replica fetched later than we did; tells whether there was such. */
  async readShared(): Promise<boolean> {
    if (!this.isShared) return false;
    const shared = await this.ports.shared.read(this.issuer);
    if (shared === null || shared.fetchedAt <= (this.current?.fetchedAt ?? 0)) return false;
    this.current = shared;
    if (shared.fetchedAt >= (this.lastAttemptAt ?? 0)) this.lastError = null;
    return true;
  }

  /** The document is gone or names another source: what is still under way changes nothing and tells nobody. */
  retire(): void {
    this.isRetired = true;
  }

  isDue(): boolean {
    if (this.issuer.disabled || this.isCooling()) return false;
    return this.current === null || this.ports.now() >= refreshAt(this.current);
  }

  status(): IssuerStatus {
    const { issuer, current, lastAttemptAt, lastError } = this;
    return issuerStatus({ issuer, current, lastAttemptAt, lastError, isUsable: this.isUsable() });
  }

  /** Keys that stand in the document are at hand everywhere. */
  private get isShared(): boolean {
    return this.issuer.jwks === null;
  }

  private lookUp(kid: string | null): FoundKeys {
    if (this.current === null || !this.isUsable()) return { status: 'unavailable' };
    const { keys, rejected } = this.current;
    if (kid === null) return { status: 'found', keys, rejectedKeys: rejected };
    const fitting = keys.filter((key) => key.kid === kid);
    const rejectedKeys = rejected.filter((key) => key.kid === kid);
    if (fitting.length + rejectedKeys.length > 0) return { status: 'found', keys: fitting, rejectedKeys };
    // Nobody can say whether a kid is unknown while the issuer cannot be asked.
    return { status: this.lastError === null ? 'kid_unknown' : 'unavailable' };
  }

  private isFresh(): boolean {
    return this.current !== null && this.ports.now() < this.current.fetchedAt + ageMs(this.current);
  }

  private isUsable(): boolean {
    return this.current !== null && this.ports.now() < this.current.fetchedAt + STALE_LIMIT_MS;
  }

  private isCooling(): boolean {
    return this.lastAttemptAt !== null && this.ports.now() < this.lastAttemptAt + COOLDOWN_MS;
  }

  private update(): Promise<void> {
    return this.updating ?? this.whileUpdating(() => this.takeTurn());
  }

  private whileUpdating(work: () => Promise<void>): Promise<void> {
    const updating = work().finally(() => {
      if (this.updating === updating) this.updating = null;
    });
    this.updating = updating;
    return updating;
  }

  private async takeTurn(): Promise<void> {
    if ((await this.readShared()) && this.isFresh()) return;
    const turn = this.isShared ? await this.ports.turns.take(this.issuer) : 'mine';
    if (turn === 'mine') return this.fetch();
    this.lastAttemptAt = Math.min(turn.at, this.ports.now());
    await this.followTurn();
  }

  /** Another replica fetches, or did within the cooldown: what came of it counts here too. */
  private async followTurn(): Promise<void> {
    const outcome = await this.ports.turns.outcome(this.issuer);
    if (outcome === null) {
      // That replica is gone: whoever asks next may fetch.
      this.lastAttemptAt = null;
    } else if (outcome.state === 'failed') {
      this.lastError = new KeyFetchError(outcome.kind ?? 'unreachable', outcome.message ?? 'the fetch failed');
    } else {
      await this.readShared();
      if (!this.isUsable()) await this.fetch();
    }
  }

  private async fetch(): Promise<void> {
    const at = this.ports.now();
    const seen = this.current?.fetchedAt ?? 0;
    this.lastAttemptAt = at;
    try {
      const fetched = await this.ports.fetch(this.issuer);
      // Later than what was known when it began, even where the clocks of two replicas differ.
      await this.replace({ ...fetched, fetchedAt: Math.max(at, seen + 1) });
      await this.endTurn({ state: 'done', at });
    } catch (error) {
      const failure = error instanceof KeyFetchError ? error : new KeyFetchError('unreachable', 'the fetch failed');
      this.fail(failure);
      await this.endTurn({ state: 'failed', at, kind: failure.kind, message: failure.message });
    }
  }

  private async endTurn(outcome: Turn): Promise<void> {
    if (this.isShared) await this.ports.turns.end(this.issuer, outcome);
  }

  private async replace(fetched: StoredKeys): Promise<void> {
    await this.readShared();
    const previous = this.current;
    // A fetch that began earlier than the one we have may bring keys that were removed in between.
    if (this.isRetired || fetched.fetchedAt <= (previous?.fetchedAt ?? 0)) return;
    this.current = fetched;
    this.lastError = null;
    if (this.isShared) await this.ports.shared.write(this.issuer, fetched);
    if (fingerprint(previous) !== fingerprint(fetched)) this.ports.changed(this.issuer, previous, fetched);
  }

  private fail(failure: KeyFetchError): void {
    const isFirst = this.lastError === null;
    this.lastError = failure;
    if (isFirst && !this.isRetired) this.ports.failed(this.issuer, failure);
  }
}

/** The same whatever the order in which the issuer lists them. */
const fingerprint = (stored: StoredKeys | null): string =>
  stored === null
    ? ''
    : [...stored.keys, ...stored.rejected]
        .map((key) => JSON.stringify(key))
        .sort()
        .join();
