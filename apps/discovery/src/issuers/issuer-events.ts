import type { CloudEvent, EventType, IssuerRegistration } from '@countersign/contracts';
import { AuditStream } from '@countersign/messaging';
import { Logger, createEvent, newTrace, type Caller } from '@countersign/platform';
import type { Jwk, RejectedKey } from '@countersign/tokens';
import { Injectable } from '@nestjs/common';
import { DiscoveryConfig } from '../config';
import type { FetchedKeys } from '../keys/fetch-keys';

/** What the trail is told of trusted issuers. */
@Injectable()
export class IssuerEvents {
  constructor(
    private readonly stream: AuditStream,
    private readonly logger: Logger,
    private readonly config: DiscoveryConfig,
  ) {}

  /** The issuer publishes other keys than before; null: nobody knew of any. */
  keysChanged(issuer: IssuerRegistration, before: FetchedKeys | null, after: FetchedKeys): void {
    if (before !== null) this.keysRotated(issuer, before.keys, after.keys);
    this.keysRejected(issuer, unknownOf(after.rejected, before?.rejected ?? []));
  }

  unreachable(issuer: IssuerRegistration, error: Error): void {
    this.logger.warn('the keys of an issuer could not be fetched', { issuer: issuer.name, reason: error.message });
    this.record('dev.countersign.issuer.unreachable.v1', issuer, { error: error.message });
  }

  /** Somebody asks for its keys to be fetched. Resolves when that is recorded. Throws UnavailableError. */
  refreshed(issuer: IssuerRegistration, { author, trace }: Caller): Promise<void> {
    const { traceId, requestId } = trace;
    const details = { author, traceId, requestId };
    return this.stream.append('audit', this.event('dev.countersign.issuer.refreshed.v1', issuer, details, trace));
  }

  private keysRotated(issuer: IssuerRegistration, before: Jwk[], after: Jwk[]): void {
    const [added, removed] = [kidsOf(unknownOf(after, before)), kidsOf(unknownOf(before, after))];
    if (added.length + removed.length === 0) return;
    this.record('dev.countersign.issuer.keys_rotated.v1', issuer, { added, removed });
  }

  private keysRejected(issuer: IssuerRegistration, rejected: RejectedKey[]): void {
    // Keys in the document were judged when it was applied; every replica reads them at each start.
    if (rejected.length === 0 || issuer.jwks !== null) return;
    this.logger.warn('an issuer publishes keys that are refused', { issuer: issuer.name, rejected });
    this.record('dev.countersign.issuer.keys_rejected.v1', issuer, { rejected });
  }

  private record(type: EventType, issuer: IssuerRegistration, details: Record<string, unknown>): void {
    this.stream.append('audit', this.event(type, issuer, details)).catch((error: unknown) => {
      this.logger.warn('issuer event not recorded', { issuer: issuer.name, reason: String(error) });
    });
  }

  private event(
    type: EventType,
    { name, iss }: IssuerRegistration,
    details: Record<string, unknown>,
    trace = newTrace(),
  ): CloudEvent {
    const data = { issuer: name, iss, ...details };
    return createEvent({ type, source: this.config.publicUrl, subject: name, data, trace });
  }
}

/** The keys that the others lack; the same kid with another key counts. */
function unknownOf<K extends Jwk | RejectedKey>(keys: K[], others: K[]): K[] {
  const known = new Set(others.map((key) => JSON.stringify(key)));
  return keys.filter((key) => !known.has(JSON.stringify(key)));
}

const kidsOf = (keys: Jwk[]): (string | null)[] => keys.map(({ kid }) => kid ?? null);
