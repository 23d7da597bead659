import type { EventType, IssuerRegistration } from '@countersign/contracts';
import { AuditStream } from '@countersign/messaging';
import { Logger, createEvent, newTrace } from '@countersign/platform';
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

  private record(type: EventType, issuer: IssuerRegistration, details: Record<string, unknown>): void {
    const data = { issuer: issuer.name, iss: issuer.iss, ...details };
    const event = createEvent({ type, source: this.config.publicUrl, subject: issuer.name, data, trace: newTrace() });
    this.stream.append('audit', event).catch((error: unknown) => {
      this.logger.warn('issuer event not recorded', { issuer: issuer.name, reason: String(error) });
    });
  }
}

/** The kids of the keys that the others lack; the same kid with another key counts. */
function without(keys: Jwk[], others: Jwk[]): (string | null)[] {
  const known = new Set(others.map((key) => JSON.stringify(key)));
  return keys.filter((key) => !known.has(JSON.stringify(key))).map(({ kid }) => kid ?? null);
}
