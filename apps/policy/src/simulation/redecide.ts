import {
  decideExchange,
  type Claims,
  type ExchangeDecision,
  type ExchangeRequest,
  type Snapshot,
} from '@countersign/policy-engine';
import type { AskedExchange } from '../recorded/recorded-exchange';
import { ClaimsMemo } from './claims-memo';

/** What two sets of documents make of one recorded exchange. */
export interface Redecision {
  before: ExchangeDecision;
  after: ExchangeDecision;
  /** `changedGrants`: allowed by both, for other things; null: no difference. */
  change: 'newlyAllowed' | 'newlyDenied' | 'changedGrants' | null;
}

/**
 * What policy was asked then, with its time and its address. The issuer is the one that `snapshot` trusts with the
 * token's `iss`, as it would be today, whatever its document was called.
 */
export function requestOf(exchange: AskedExchange, claims: Claims, snapshot: Snapshot): ExchangeRequest {
  const { audience, resource, narrowedTo, sourceIp, time } = exchange;
  return {
    issuer: issuerNameOf(snapshot, claims['iss']) ?? exchange.issuer ?? '',
    claims,
    audiences: [...new Set([...audience, ...resource])],
    roles: narrowedTo.roles,
    policies: narrowedTo.policies,
    permissions: narrowedTo.permissions,
    sourceIp,
    now: Math.floor(time.getTime() / 1000),
  };
}

function issuerNameOf({ issuers }: Snapshot, iss: unknown): string | undefined {
  for (const { name, iss: known } of issuers.values()) if (known === iss) return name;
  return undefined;
}

/** Decides recorded exchanges under two sets of documents; those that differ in nothing that is read, once. */
export class Redecider {
  private readonly memo = new ClaimsMemo<Redecision>();
  private readonly readsTime: boolean;
  private readonly readsAddress: boolean;

  constructor(
    private readonly before: Snapshot,
    private readonly after: Snapshot,
  ) {
    this.readsTime = readsContext(before, 'time') || readsContext(after, 'time');
    this.readsAddress = [before, after].some(
      (snapshot) => readsContext(snapshot, 'sourceIp') || limitsAddresses(snapshot),
    );
  }

  decide(exchange: AskedExchange): Redecision {
    const { audience, resource, narrowedTo, sourceIp } = exchange;
    const claims = exchange.claims ?? {};
    // Permissions are weighed by statements, whose conditions may read anything of the request.
    if (this.readsTime || narrowedTo.permissions !== null) return this.compute(exchange, claims);
    const key = JSON.stringify([audience, resource, narrowedTo, this.readsAddress ? sourceIp : null]);
    return this.memo.resultOf(key, claims, (watched) => this.compute(exchange, watched));
  }

  private compute(exchange: AskedExchange, claims: Claims): Redecision {
    const before = decideExchange(this.before, requestOf(exchange, claims, this.before));
    const after = decideExchange(this.after, requestOf(exchange, claims, this.after));
    return { before, after, change: changeOf(before, after) };
  }
}

function changeOf(before: ExchangeDecision, after: ExchangeDecision): Redecision['change'] {
  if (before.effect !== after.effect) return after.effect === 'Allow' ? 'newlyAllowed' : 'newlyDenied';
  return after.effect === 'Allow' && grantOf(before) !== grantOf(after) ? 'changedGrants' : null;
}

/** What a token would carry by it. */
const grantOf = ({ roles, policies, statements, obligations }: ExchangeDecision): string =>
  JSON.stringify([roles, policies, statements, obligations.audience, obligations.maxTokenExpiry]);

const readsContext = ({ roles }: Snapshot, name: string): boolean =>
  [...roles.values()].some(({ checks }) =>
    checks.some(({ attribute }) => attribute.source === 'ctx' && attribute.path[0] === name),
  );

const limitsAddresses = ({ roles }: Snapshot): boolean =>
  [...roles.values()].some(({ trustedIps }) => trustedIps.length > 0);
