import type { WhoCanIdentity } from '@countersign/contracts';
import { rolesThatLet, type PermissionQuestion, type Snapshot } from '@countersign/policy-engine';
import type { AskedExchange } from '../recorded/recorded-exchange';
import { ClaimsMemo } from '../simulation/claims-memo';

interface Seen {
  issuer: string;
  subject: string;
  roles: Set<string>;
  lastSeenAt: Date;
  count: number;
}

/**
 * Gathers the identities that may do what is asked from the exchanges that were granted. Each is decided again as if
 * it came now, from the same address and for the same audience, and asked for all that it can have.
 */
export class IdentityFinder {
  private readonly memo = new ClaimsMemo<string[] | null>();
  private readonly seen = new Map<string, Seen>();
  private readonly readsAddress: boolean;
  /** An issuer is who signs, whatever its document was called then. */
  private readonly nameOf: ReadonlyMap<unknown, string>;

  /** `now` in epoch seconds. */
  constructor(
    private readonly snapshot: Snapshot,
    private readonly question: PermissionQuestion & { now: number },
  ) {
    this.readsAddress = readsAddress(snapshot);
    this.nameOf = new Map([...snapshot.issuers.values()].map(({ iss, name }) => [iss, name]));
  }

  add(exchange: AskedExchange): void {
    const { claims } = exchange;
    const issuer = this.nameOf.get(claims?.['iss']);
    if (claims === null || issuer === undefined) return;
    const roles = this.rolesOf(exchange, issuer, claims);
    if (roles !== null) this.note(exchange, issuer, roles);
  }

  /** Those seen last first. */
  identities(): WhoCanIdentity[] {
    return [...this.seen.values()]
      .sort((a, b) => b.lastSeenAt.getTime() - a.lastSeenAt.getTime())
      .map(({ roles, lastSeenAt, ...rest }) => ({
        ...rest,
        roles: [...roles].sort(),
        lastSeenAt: lastSeenAt.toISOString(),
      }));
  }

  private rolesOf({ audience, resource, sourceIp }: AskedExchange, issuer: string, claims: Record<string, unknown>) {
    const audiences = [...new Set([...audience, ...resource])];
    const address = this.readsAddress ? sourceIp : null;
    const key = JSON.stringify([issuer, audiences, address]);
    return this.memo.resultOf(key, claims, (watched) =>
      rolesThatLet(this.snapshot, { issuer, claims: watched, audiences, sourceIp: address }, this.question),
    );
  }

  private note({ subject, time }: AskedExchange, issuer: string, roles: readonly string[]): void {
    const key = JSON.stringify([issuer, subject]);
    const known = this.seen.get(key) ?? {
      issuer,
      subject: subject ?? '',
      roles: new Set(),
      lastSeenAt: time,
      count: 0,
    };
    this.seen.set(key, known);
    known.count += 1;
    if (time > known.lastSeenAt) known.lastSeenAt = time;
    roles.forEach((role) => known.roles.add(role));
  }
}

/** Whether any decision of this revision depends on the address; runners have many. */
function readsAddress({ roles, policies }: Snapshot): boolean {
  const checks = [
    ...[...roles.values()].map((role) => role.checks),
    ...[...policies.values()].flatMap(({ statements }) => statements.map((statement) => statement.checks)),
  ];
  const limits = [...roles.values()].some(({ trustedIps }) => trustedIps.length > 0);
  return limits || checks.flat().some(({ attribute: { source, path } }) => source === 'ctx' && path[0] === 'sourceIp');
}
