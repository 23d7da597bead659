import type { Snapshot } from '../compile-snapshot';
import { decideExchange } from '../decide-exchange';
import type { Claims, ExchangeDecision, ExchangeRequest } from '../decisions';
import { evaluatePermission } from '../evaluate-permission';
import { permissionRequest, type PermissionQuestion } from '../permission-request';
import type {
  ActualOutcome,
  ExpectedOutcome,
  Mismatch,
  PolicyTest,
  PolicyTestCase,
  PolicyTestResult,
} from './policy-test';

/**
 * Runs the cases of a policy test, from the issuer's document to the decision; signature, times and audience of the
 * subject token are not what is tested. `now` in epoch seconds stands in where a case names no time.
 */
export const runPolicyTest = (snapshot: Snapshot, test: PolicyTest, now: number): PolicyTestResult[] =>
  test.cases.map((testCase) => {
    const actual = runCase(snapshot, testCase, now);
    const mismatches = compare(testCase.expect, actual);
    return { name: testCase.name, passed: mismatches.length === 0, actual, mismatches };
  });

/** What comes out of one case. */
export function runCase(snapshot: Snapshot, testCase: PolicyTestCase, now: number): ActualOutcome {
  const issuer = issuerOf(snapshot, testCase);
  if (issuer === null) return untrusted(testCase);
  const { audiences, roles, policies, sourceIp } = testCase;
  const claims = claimsOf(snapshot, testCase);
  const request = { issuer, claims, audiences, roles, policies, sourceIp, now: testCase.time ?? now };
  const decision = decideExchange(snapshot, request);
  return {
    outcome: decision.effect === 'Allow' ? 'granted' : 'denied',
    reason: decision.reason,
    detail: decision.detail,
    issuer,
    roles: decision.roles,
    policies: decision.policies,
    decision: testCase.permission && isPermitted(snapshot, testCase.permission, { request, decision }),
  };
}

/** The claims of a case; `iss` is the issuer's own where the case names the issuer and no `iss`. */
export function claimsOf(snapshot: Snapshot, { issuer, claims }: PolicyTestCase): Claims {
  const known = issuer === null ? undefined : snapshot.issuers.get(issuer);
  return known && claims['iss'] === undefined ? { ...claims, iss: known.iss } : claims;
}

function issuerOf(snapshot: Snapshot, { issuer, claims }: PolicyTestCase): string | null {
  if (issuer !== null) return snapshot.issuers.has(issuer) ? issuer : null;
  const found = [...snapshot.issuers.values()].find(({ iss }) => iss === claims['iss']);
  return found?.name ?? null;
}

const untrusted = ({ issuer, claims, permission }: PolicyTestCase): ActualOutcome => ({
  outcome: 'denied',
  reason: 'issuer_unknown',
  detail:
    issuer === null
      ? `no enabled JwtIssuer has the iss ${JSON.stringify(claims['iss'] ?? null)}`
      : `no enabled JwtIssuer has the name ${issuer}`,
  issuer: null,
  roles: [],
  policies: [],
  decision: permission && false,
});

/** Whether the token that this exchange gives may do what the case asks; without a token nothing may be done. */
function isPermitted(
  snapshot: Snapshot,
  question: PermissionQuestion,
  { request, decision }: { request: ExchangeRequest; decision: ExchangeDecision },
): boolean {
  if (decision.effect === 'Deny') return false;
  return evaluatePermission(snapshot, permissionRequest(request, decision, question)).effect === 'Allow';
}

function compare(expected: ExpectedOutcome, actual: ActualOutcome): Mismatch[] {
  const members = ['outcome', 'reason', 'roles', 'policies', 'decision'] as const;
  return members.flatMap((member) => {
    const [wanted, got] = [expected[member], actual[member]];
    if (wanted === null || JSON.stringify(wanted) === JSON.stringify(got)) return [];
    // What follows from another outcome than the expected one says nothing new.
    if (member !== 'outcome' && expected.outcome !== actual.outcome) return [];
    return [{ member, message: `expected ${shown(member, wanted)}, was ${shown(member, got)}${why(member, actual)}` }];
  });
}

function shown(member: Mismatch['member'], value: ActualOutcome[Mismatch['member']]): string {
  if (member === 'decision') return value === true ? 'the permission allowed' : 'the permission denied';
  if (member === 'outcome') return String(value);
  const text = Array.isArray(value) ? value.join(', ') || 'none' : String(value);
  return `${member} ${text}`;
}

function why(member: Mismatch['member'], { outcome, reason, detail, roles }: ActualOutcome): string {
  if (member !== 'outcome') return '';
  return outcome === 'denied' ? ` (${reason}: ${detail})` : ` (roles ${roles.join(', ')})`;
}
