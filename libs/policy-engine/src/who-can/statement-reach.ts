import type { AttributeKey, Attributes } from '../attributes';
import type { CompiledStatement } from '../compile-policy';
import { evaluateCheck, holds, type Check } from '../conditions';
import { compilePattern, matchPattern, type Pattern } from '../patterns';
import type { PermissionQuestion } from '../permission-request';

/** Under what a statement applies to a question; null when it never does. */
export interface StatementReach {
  /** The checks that the question alone does not answer. */
  open: readonly Check[];
  /** Claims whose value decides whether the resource is meant, through `${jwt:claim}`. */
  claims: readonly string[];
}

/** Whether somebody can exist to whose question a statement applies, and what that depends on. */
export function reachOf(statement: CompiledStatement, question: PermissionQuestion): StatementReach | null {
  const { effect, actions, resources, checks } = statement;
  if (!actions.some((pattern) => matchPattern(pattern, question.action, noValue) === true)) return null;
  const claims = claimsFor(resources, question.resource, effect);
  if (claims === null) return null;
  const open: Check[] = [];
  for (const check of checks) {
    const answer = answerOf(check, effect, question);
    if (answer === false) return null;
    if (answer === null) open.push(check);
  }
  return { open, claims };
}

/** Whether a statement applies whoever asks. */
export const isCertain = ({ open, claims }: StatementReach): boolean => open.length === 0 && claims.length === 0;

const noValue = (): null => null;

/** The claims of the templates that may mean the resource; none when it is meant anyway, null when it never is. */
function claimsFor(patterns: readonly Pattern[], resource: string, effect: 'Allow' | 'Deny'): string[] | null {
  const templated = patterns.filter(({ program }) => program === null);
  if (patterns.some((pattern) => matchPattern(pattern, resource, noValue) === true)) return [];
  // A Deny whose template has no value applies to every resource (fail closed), so that it is always possible.
  const possible = templated.filter(
    (pattern) => effect === 'Deny' || matchPattern(withAnyValue(pattern), resource, noValue),
  );
  if (possible.length === 0) return null;
  return [...new Set(possible.flatMap(({ parts }) => parts.flatMap((part) => ('claim' in part ? [part.claim] : []))))];
}

/** A claim's value has at least one character, and could be any text. */
const withAnyValue = ({ parts }: Pattern): Pattern =>
  compilePattern([parts.map((part) => ('claim' in part ? '?*' : written(part))).join('')]);

const written = (tokens: readonly number[]): string =>
  tokens.map((token) => (token >= 0 ? String.fromCharCode(token) : token === -1 ? '*' : '?')).join('');

/** The outcome of a check on what the question itself says; null when it depends on anything else. */
function answerOf(check: Check, effect: 'Allow' | 'Deny', { action, resource }: PermissionQuestion): boolean | null {
  if (!isOfQuestion(check.attribute)) return null;
  const colon = resource.indexOf(':');
  const attributes: Attributes = {
    ctx: { sourceIp: null, time: 0, audience: [] },
    action: { name: action, properties: {} },
    resource: { type: colon < 0 ? '' : resource.slice(0, colon), id: resource.slice(colon + 1), properties: {} },
  };
  const outcome = evaluateCheck(check, attributes);
  // A value with a `${jwt:claim}` that has none here has one for somebody.
  return outcome === 'unresolvable' ? null : holds(check, outcome, effect);
}

const isOfQuestion = ({ source, path: [name, ...deeper] }: AttributeKey): boolean =>
  deeper.length === 0 &&
  ((source === 'action' && name === 'name') || (source === 'resource' && (name === 'type' || name === 'id')));
