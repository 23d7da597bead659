import type { IssuerRegistration } from '@countersign/contracts';
import { Clock, Metrics } from '@countersign/platform';
import { SafeHttp } from '@countersign/safe-http';
import { Injectable } from '@nestjs/common';
import { fetchKeys, type FetchedKeys } from './fetch-keys';
import { FetchTurns } from './fetch-turns';
import { IssuerKeySet, type KeySetPorts } from './issuer-key-set';
import { SharedKeyCache } from './shared-key-cache';

/** Makes key sets that fetch over HTTP and share what they fetched. */
@Injectable()
export class KeySets {
  private readonly fetches;

  constructor(
    private readonly http: SafeHttp,
    private readonly shared: SharedKeyCache,
    private readonly turns: FetchTurns,
    private readonly clock: Clock,
    metrics: Metrics,
  ) {
    this.fetches = metrics.counter('countersign_issuer_key_fetches_total', 'Fetches of issuer keys by outcome', [
      'outcome',
    ]);
  }

  create(issuer: IssuerRegistration, events: Pick<KeySetPorts, 'changed' | 'failed'>): IssuerKeySet {
    const { shared, turns } = this;
    return new IssuerKeySet(issuer, {
      fetch: (registered) => this.fetch(registered),
      shared,
      turns,
      now: () => this.clock.now(),
      ...events,
    });
  }

  private async fetch(issuer: IssuerRegistration): Promise<FetchedKeys> {
    try {
      const fetched = await fetchKeys(this.http, issuer);
      this.fetches.inc({ outcome: 'done' });
      return fetched;
    } catch (error) {
      this.fetches.inc({ outcome: 'failed' });
      throw error;
    }
  }
}
