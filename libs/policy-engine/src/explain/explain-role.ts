import { formatRange } from '../addresses';
import type { Attributes } from '../attributes';
import type { CompiledRole } from '../compile-role';
import { defaultAudience } from '../decide-exchange';
import type { ExchangeDecision, ExchangeRequest } from '../decisions';
import { addressAllowed, audiencesAllowed, checksOf } from '../match-roles';
import { explainCheck } from './explain-check';
import type { ExplainedCheck, ExplainedRole } from './explanation';

/** What roles are held against. */
export interface ExplainedSituation {
  request: ExchangeRequest;
  attributes: Attributes;
  /** The guarded event the token was issued in. */
  event: string | null;
  decision: ExchangeDecision;
  publicUrl: string;
}

/** Every check of a role: principal and condition, then event, address, audience and scope where they play a part. */
export function explainRole(role: CompiledRole, situation: ExplainedSituation, disabled: boolean): ExplainedRole {
  const checks = [
    ...(disabled ? [isDisabled] : []),
    ...checksOf(role, situation.attributes).map((check) => explainCheck(check, situation.attributes, 'Allow')),
    ...eventCheck(role, situation),
    ...addressCheck(role, situation),
    ...audienceChecks(role, situation),
    // Scope narrows what is granted; a shadow role grants nothing.
    ...(role.shadow ? [] : scopeChecks(role, situation)),
  ];
  return { name: role.name, matched: checks.every(({ matched }) => matched), shadow: role.shadow, checks };
}

const isDisabled: ExplainedCheck = {
  path: '/spec/disabled',
  operator: 'Bool',
  key: 'disabled',
  expected: ['false'],
  actual: true,
  present: true,
  matched: false,
};

function eventCheck({ allowedEvents }: CompiledRole, { event }: ExplainedSituation): ExplainedCheck[] {
  if (event === null) return [];
  const matched = allowedEvents.includes(event);
  const what = { path: '/spec/allowedEvents', operator: 'StringEqual', key: 'event' };
  return [{ ...what, expected: [...allowedEvents], actual: event, present: true, matched }];
}

function addressCheck(role: CompiledRole, { request: { sourceIp } }: ExplainedSituation): ExplainedCheck[] {
  if (role.trustedIps.length === 0) return [];
  const what = { path: '/spec/trustedIps', operator: 'IpAddress', key: 'ctx:sourceIp' };
  const expected = role.trustedIps.map(formatRange);
  return [{ ...what, expected, actual: sourceIp, present: sourceIp !== null, matched: addressAllowed(role, sourceIp) }];
}

function audienceChecks(role: CompiledRole, situation: ExplainedSituation): ExplainedCheck[] {
  const wanted = audienceOf(role, situation);
  if (wanted === 'any') return [];
  const several = wanted.length > 1;
  const audience: ExplainedCheck = {
    path: '/spec/audience',
    operator: several ? 'ForAllValues:StringEqual' : 'StringEqual',
    key: 'ctx:audience',
    expected: [...role.audience],
    actual: several ? wanted : (wanted[0] ?? null),
    present: wanted.length > 0,
    matched: wanted.length > 0 && wanted.every((one) => role.audience.includes(one)),
  };
  return several ? [audience, countCheck(role, wanted)] : [audience];
}

const countCheck = (role: CompiledRole, wanted: readonly string[]): ExplainedCheck => ({
  path: '/spec/multipleAudiences',
  operator: 'Bool',
  key: 'multipleAudiences',
  expected: ['true'],
  actual: role.multipleAudiences,
  present: true,
  matched: audiencesAllowed({ ...role, audience: wanted }, wanted),
});

/** The audiences that the role has to allow; none when it is not clear which, `any` when it does not matter. */
function audienceOf(role: CompiledRole, { request, decision, publicUrl }: ExplainedSituation): string[] | 'any' {
  if (request.audiences.length > 0) return [...new Set(request.audiences)];
  if (decision.effect === 'Allow') return [...decision.obligations.audience];
  if (role.shadow) return 'any';
  // Several roles together leave the choice open; only our own URL would settle it.
  const undecided = decision.reason === 'target_not_allowed' && !role.audience.includes(publicUrl);
  return undecided ? [] : [defaultAudience([role], publicUrl) ?? []].flat();
}

function scopeChecks(role: CompiledRole, { request }: ExplainedSituation): ExplainedCheck[] {
  return [
    ...namesCheck('/metadata/name', [role.name], request.roles),
    ...namesCheck('/spec/policy', role.policies, request.policies),
  ];
}

function namesCheck(path: string, own: readonly string[], named: readonly string[] | null): ExplainedCheck[] {
  if (named === null) return [];
  const what = { path, operator: 'ForAnyValue:StringEqual', key: 'scope' };
  const matched = own.some((name) => named.includes(name));
  return [{ ...what, expected: [...own], actual: [...named], present: true, matched }];
}
