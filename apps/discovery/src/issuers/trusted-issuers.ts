import {
  issuerKeysChanged,
  listIssuers,
  policyChanged,
  trustedIssuerSchema,
  type IssuerRegistration,
  type IssuerStatus,
  type TrustedIssuer,
} from '@countersign/contracts';
import { Bus } from '@countersign/messaging';
import { Logger, Readiness, Schedule, UnavailableError, type Caller } from '@countersign/platform';
import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { IssuerKeySet, KeySetPorts } from '../keys/issuer-key-set';
import { KeySets } from '../keys/key-sets';
import { sourceOf } from '../keys/key-source';
import { RefreshQueue } from '../keys/refresh-queue';
import { IssuerEvents } from './issuer-events';

const POLL_MS = 5_000;
/** Until the first answer, and longer each time: services start in any order. */
const FIRST_POLL_MS = 50;

/** The issuers that policy trusts, each with its keys; follows every change of the documents. */
@Injectable()
export class TrustedIssuers implements OnApplicationBootstrap, OnApplicationShutdown {
  private byIss: ReadonlyMap<string, IssuerKeySet> | null = null;
  private newestRevision = 0;
  private loading: Promise<void> = Promise.resolve();
  private nextLoading: Promise<void> | null = null;
  private readonly following = new Schedule(() => this.followOn());
  private pauseMs = FIRST_POLL_MS;
  private readonly ahead = new RefreshQueue();
  private readonly events: Pick<KeySetPorts, 'changed' | 'failed'>;

  constructor(
    private readonly bus: Bus,
    private readonly keySets: KeySets,
    private readonly logger: Logger,
    private readonly trail: IssuerEvents,
    readiness: Readiness,
  ) {
    this.events = {
      changed: (issuer, previous, current) => {
        bus.publish(issuerKeysChanged, { iss: issuer.iss });
        trail.keysChanged(issuer, previous, current);
      },
      failed: (issuer, error) => trail.unreachable(issuer, error),
    };
    readiness.add('issuers', async () => void this.known());
    bus.subscribe(policyChanged, ({ revision }) => this.load(revision));
    bus.subscribe(issuerKeysChanged, async ({ iss }) => void (await this.byIss?.get(iss)?.readShared()));
  }

  onApplicationBootstrap(): void {
    this.following.start(0);
  }

  onApplicationShutdown(): Promise<void> {
    return this.following.stop();
  }

  /** The enabled issuer behind an `iss`. Throws UnavailableError before the documents are known. */
  find(iss: string): IssuerKeySet | undefined {
    const keySet = this.known().get(iss);
    return keySet?.issuer.disabled === true ? undefined : keySet;
  }

  statuses(): IssuerStatus[] {
    return [...this.known().values()].map((keySet) => keySet.status());
  }

  byName(name: string): IssuerKeySet | undefined {
    return [...this.known().values()].find(({ issuer }) => issuer.name === name);
  }

  /** Fetches an issuer's keys now; every replica of discovery and exchange takes them over. A disabled one rests. Throws UnavailableError. */
  async refresh(keySet: IssuerKeySet, caller: Caller): Promise<void> {
    if (keySet.issuer.disabled) return;
    await this.trail.refreshed(keySet.issuer, caller);
    await keySet.refresh();
    // Also when nothing changed here: another replica may hold older ones.
    this.bus.publish(issuerKeysChanged, { iss: keySet.issuer.iss });
  }

  /** Reads the documents again, one reading at a time; not from a replica of policy that is behind what was announced. */
  load(announced = 0): Promise<void> {
    this.newestRevision = Math.max(this.newestRevision, announced);
    this.nextLoading ??= this.loading.then(() => {
      this.nextLoading = null;
      this.loading = this.readIssuers();
      return this.loading;
    });
    return this.nextLoading;
  }

  private known(): ReadonlyMap<string, IssuerKeySet> {
    if (this.byIss === null) throw new UnavailableError('policy');
    return this.byIss;
  }

  private async followOn(): Promise<number> {
    await this.load();
    // Makes good for announcements that were lost, and fetches keys ahead of their end.
    for (const keySet of this.byIss?.values() ?? []) this.ahead.add(keySet);
    this.pauseMs = this.byIss === null ? Math.min(2 * this.pauseMs, POLL_MS) : POLL_MS;
    return this.pauseMs;
  }

  /** Never rejects. */
  private async readIssuers(): Promise<void> {
    try {
      const { revision, issuers } = await this.bus.request(listIssuers, { atLeast: this.newestRevision });
      // What policy says in the end counts: a restored database goes back.
      this.newestRevision = revision;
      this.replace(issuers);
    } catch (error) {
      const expected = this.byIss === null && this.pauseMs < POLL_MS;
      this.logger[expected ? 'debug' : 'warn']('the trusted issuers could not be read', { reason: String(error) });
    }
  }

  private replace(issuers: IssuerRegistration[]): void {
    const before = this.byIss ?? new Map<string, IssuerKeySet>();
    const isFirst = this.byIss === null;
    const changed = new Set([...before.keys()].filter((iss) => !issuers.some((issuer) => issuer.iss === iss)));
    this.byIss = new Map(
      issuers.map((issuer) => {
        const known = before.get(issuer.iss);
        if (JSON.stringify(known?.issuer) !== JSON.stringify(issuer)) changed.add(issuer.iss);
        return [issuer.iss, this.keep(known, issuer)];
      }),
    );
    const kept = new Set(this.byIss.values());
    for (const keySet of before.values()) if (!kept.has(keySet)) keySet.retire();
    if (!isFirst) for (const iss of changed) this.bus.publish(issuerKeysChanged, { iss });
    for (const keySet of kept) this.ahead.add(keySet);
  }

  /** Keys live on as long as they come from the same place, whatever else the document says. */
  private keep(known: IssuerKeySet | undefined, issuer: IssuerRegistration): IssuerKeySet {
    if (known === undefined || sourceOf(known.issuer) !== sourceOf(issuer)) {
      return this.keySets.create(issuer, this.events);
    }
    known.issuer = issuer;
    return known;
  }
}

/** What the exchange may know of an issuer: everything but where its keys come from. */
export const asTrustedIssuer = (issuer: IssuerRegistration): TrustedIssuer => trustedIssuerSchema.parse(issuer);
