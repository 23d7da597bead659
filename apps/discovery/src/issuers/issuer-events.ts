import type { CloudEvent, EventType, IssuerRegistration } from '@countersign/contracts';
import { AuditStream } from '@countersign/messaging';
import { Logger, createEvent, newTrace, type Caller } from '@countersign/platform';
import type { Jwk } from '@countersign/tokens';
import { Injectable } from '@nestjs/common';
import { DiscoveryConfig } from '../config';

/** What the trail is told of trusted issuers. */
@Injectable()
export class IssuerEvents {
  constructor(
    private readonly stream: AuditStream,
    private readonly logger: Logger,
    private readonly config: DiscoveryConfig,
  ) {}

  /** The issuer publishes other keys than before. */
  keysRotated(issuer: IssuerRegistration, before: Jwk[], after: Jwk[]): void {
    const [added, removed] = [without(after, before), without(before, after)];
    if (added.length + removed.length === 0) return;
    this.record('dev.countersign.issuer.keys_rotated.v1', issuer, { added, removed });
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

/** The kids of the keys that the others lack; the same kid with another key counts. */
function without(keys: Jwk[], others: Jwk[]): (string | null)[] {
  const known = new Set(others.map((key) => JSON.stringify(key)));
  return keys.filter((key) => !known.has(JSON.stringify(key))).map(({ kid }) => kid ?? null);
}
