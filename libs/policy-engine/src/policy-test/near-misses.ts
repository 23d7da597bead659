import type { Snapshot } from '../compile-snapshot';
import type { Claims } from '../decisions';
import type { Platform } from '../documents';
import { changeClaim, claimAt, requote } from './claim-edits';
import { claimsOfPlatform, type IdentifyingClaim, type PlatformClaims } from './identifying-claims';
import type { PolicyTestCase } from './policy-test';
import { claimsOf, runCase } from './run-policy-test';

/** A token like that of a case but for one claim. */
export interface NearMiss {
  /** Name, or JSON Pointer of a nested one. */
  claim: string;
  /** null when the claim was not there. */
  from: unknown;
  /** null when the claim is left out. */
  to: unknown;
  claims: Claims;
}

/** A near miss that is granted what only the case should be. */
export interface SlippedNearMiss extends Omit<NearMiss, 'claims'> {
  roles: string[];
}

export interface NearMissScore {
  total: number;
  refused: number;
  slipped: SlippedNearMiss[];
}

/** How many other issuers a near miss is tried with. */
const MAX_ISSUERS = 5;

/**
 * Tokens that differ from these in one claim that says whose they are. Claims that quote it, as `sub` does, and ids
 * that go with it change along, since no issuer contradicts itself. Always the same ones in the same order.
 */
export function nearMisses(platform: Platform, claims: Claims): NearMiss[] {
  const table = claimsOfPlatform(platform, claims);
  const seen = new Set<string>();
  return table.identifying
    .flatMap((item) => missesOf(item, table, claims))
    .filter((miss) => {
      const id = JSON.stringify([miss.claim, miss.to]);
      return !seen.has(id) && Boolean(seen.add(id));
    });
}

function missesOf(item: IdentifyingClaim, table: PlatformClaims, claims: Claims): NearMiss[] {
  const from = claimAt(claims, item.claim);
  if (from === undefined || from === null || from === '') return [];
  const values = item.edits(from).filter((to) => JSON.stringify(to) !== JSON.stringify(from));
  return [...(item.always ? [] : [undefined]), ...values].map((to) => ({
    claim: item.claim,
    from,
    to: to ?? null,
    claims: edited(item, { table, claims, to }),
  }));
}

function edited(
  item: IdentifyingClaim,
  { table, claims, to }: { table: PlatformClaims; claims: Claims; to: unknown },
): Claims {
  const along = item.along?.(to, claims) ?? {};
  const changes = { [item.claim]: to, ...along };
  const quoting = table.quoting.filter((claim) => !(claim in changes));
  return Object.entries(changes).reduce<Claims>((sofar, [claim, value]) => {
    const quote = { from: claimAt(claims, claim), to: value, last: item.last === true };
    return changeClaim(requoteAll(sofar, quoting, quote), claim, value);
  }, claims);
}

interface Quote {
  from: unknown;
  to: unknown;
  last: boolean;
}

function requoteAll(claims: Claims, quoting: readonly string[], quote: Quote): Claims {
  const changed: Record<string, unknown> = { ...claims };
  for (const claim of quoting) {
    const text = claims[claim];
    if (typeof text === 'string') changed[claim] = requoteText(text, quote);
  }
  return changed;
}

function requoteText(text: string, { from, to, last }: Quote): string {
  if (typeof from !== 'string') return text;
  const whole = requote(text, { from, to: textOf(to), last });
  // GitHub's immutable subject has the ids between the owner's name and the repository's.
  const isPath = whole === text && from.includes('/') && !last;
  return isPath ? requote(text, { from: nameIn(from), to: nameIn(textOf(to)), last }) : whole;
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const nameIn = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/**
 * Runs the near misses of a case that is granted: which are granted, too, although nobody said that they may be?
 * `now` in epoch seconds.
 */
export function scoreNearMisses(snapshot: Snapshot, testCase: PolicyTestCase, now: number): NearMissScore {
  const claims = claimsOf(snapshot, testCase);
  const issuer = [...snapshot.issuers.values()].find(({ iss }) => iss === claims['iss']);
  const misses = [...nearMisses(issuer?.platform ?? 'generic', claims), ...otherIssuers(snapshot, claims)];
  const counted = misses.filter(({ claim }) => !testCase.mayDiffer.includes(claim));
  const slipped = counted.flatMap(({ claims: changed, ...miss }): SlippedNearMiss[] => {
    const actual = runCase(snapshot, { ...testCase, issuer: null, claims: changed }, now);
    const isAdmitted = actual.outcome === 'granted' && actual.decision !== false;
    return isAdmitted ? [{ ...miss, roles: actual.roles }] : [];
  });
  return { total: counted.length, refused: counted.length - slipped.length, slipped };
}

/** The same claims signed by another trusted issuer. */
function otherIssuers(snapshot: Snapshot, claims: Claims): NearMiss[] {
  const others = [...snapshot.issuers.values()].map(({ iss }) => iss).filter((iss) => iss !== claims['iss']);
  return others
    .sort()
    .slice(0, MAX_ISSUERS)
    .map((to) => ({ claim: 'iss', from: claims['iss'], to, claims: { ...claims, iss: to } }));
}
