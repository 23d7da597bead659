import { parseKey, type AttributeKey } from './attributes';
import { compileCondition, type Check, type ConditionProblem } from './conditions';
import type { PolicyDocument } from './documents';
import { compilePattern, parseTemplate, type Pattern } from './patterns';
import { patternProblem } from './text-tests';
import type { ValueProblem } from './value-kind';

export interface CompiledStatement {
  /** JSON Pointer into the document; '' for what stands for a document that cannot be read. */
  readonly path: string;
  readonly sid: string | null;
  readonly effect: 'Allow' | 'Deny';
  readonly actions: readonly Pattern[];
  readonly resources: readonly Pattern[];
  readonly checks: readonly Check[];
  /** Texts of the patterns. */
  readonly written: { readonly action: readonly string[]; readonly resource: readonly string[] };
}

export interface CompiledPolicy {
  readonly name: string;
  /** The revision since which there is a policy of this name. */
  readonly since: number;
  readonly statements: readonly CompiledStatement[];
  /** Top-level names of the claims that its statements read. */
  readonly claims: readonly string[];
}

interface Part<T> {
  value: T;
  claims: readonly string[];
  problems: ConditionProblem[];
}

const everything: readonly Pattern[] = [compilePattern(['*'])];
const denyEverything: CompiledStatement = {
  path: '',
  sid: null,
  effect: 'Deny',
  actions: everything,
  resources: everything,
  checks: [],
  written: { action: ['*'], resource: ['*'] },
};

/** Stored text may be anything. */
type Written = Pick<PolicyDocument, 'name' | 'since'> & { spec: unknown };

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Compiles a policy. A statement that is broken is left out if it is an Allow; anything else broken denies, and
 * what cannot be read of it is taken as widely as possible (docs/adr: a broken Deny denies).
 */
export function compilePolicy({ name, since = 0, spec }: Written): {
  policy: CompiledPolicy;
  problems: ConditionProblem[];
} {
  const statements = isObject(spec) ? spec['statement'] : undefined;
  if (!Array.isArray(statements)) {
    const problem = { path: '/spec/statement', code: 'invalid_type', message: 'must be a list; denies everything' };
    return { policy: { name, since, statements: [denyEverything], claims: [] }, problems: [problem] };
  }
  const parts = statements.map((statement: unknown, index) => compileStatement(statement, `/spec/statement/${index}`));
  const policy = {
    name,
    since,
    statements: parts.flatMap((part) => part.value ?? []),
    claims: [...new Set(parts.flatMap((part) => part.claims))].sort(),
  };
  return { policy, problems: parts.flatMap((part) => part.problems) };
}

function compileStatement(statement: unknown, path: string): Part<CompiledStatement | null> {
  if (!isObject(statement)) {
    const problem = { path, code: 'invalid_type', message: 'must be an object; denies everything' };
    return { value: denyEverything, claims: [], problems: [problem] };
  }
  const effect = statement['effect'] === 'Allow' ? 'Allow' : 'Deny';
  const actions = compilePatterns(statement['action'], `${path}/action`, false);
  const resources = compilePatterns(statement['resource'], `${path}/resource`, true);
  const checks = compileChecks(statement['condition'] ?? null, `${path}/condition`);
  const problems = [
    ...badEffect(statement['effect'], path),
    ...actions.problems,
    ...resources.problems,
    ...checks.problems,
  ];
  if (effect === 'Allow' && problems.length > 0) return { value: null, claims: [], problems };
  const value: CompiledStatement = {
    path,
    sid: typeof statement['sid'] === 'string' ? statement['sid'] : null,
    effect,
    actions: actions.problems.length > 0 ? everything : actions.value,
    resources: resources.problems.length > 0 ? everything : resources.value,
    checks: checks.problems.length > 0 ? [] : checks.value,
    written: { action: textsOf(statement['action']), resource: textsOf(statement['resource']) },
  };
  return { value, claims: [...resources.claims, ...checks.claims], problems };
}

/** Only to be shown. */
const textsOf = (list: unknown): string[] =>
  Array.isArray(list) ? list.filter((text) => typeof text === 'string') : [];

function badEffect(effect: unknown, path: string): ConditionProblem[] {
  if (effect === 'Allow' || effect === 'Deny') return [];
  return [{ path: `${path}/effect`, code: 'invalid_value', message: 'must be exactly Allow or Deny; denies' }];
}

function compileChecks(condition: unknown, path: string): Part<readonly Check[]> {
  if (condition === null) return { value: [], claims: [], problems: [] };
  const { checks, problems } = compileCondition(condition, path, { templates: true });
  const claims = checks.flatMap((check) => [...claimsOfKey(check.attribute), ...check.values.flatMap(claimsOfText)]);
  return { value: checks, claims, problems };
}

function compilePatterns(texts: unknown, path: string, templates: boolean): Part<readonly Pattern[]> {
  if (!Array.isArray(texts) || texts.length === 0) {
    return {
      value: [],
      claims: [],
      problems: [{ path, code: 'empty_list', message: 'must be a list with at least one entry' }],
    };
  }
  const parts = texts.map((text: unknown, index) => compileText(text, `${path}/${index}`, templates));
  return {
    value: parts.flatMap((part) => part.value ?? []),
    claims: parts.flatMap((part) => part.claims),
    problems: parts.flatMap((part) => part.problems),
  };
}

/** What is wrong with an action or resource pattern; null when nothing is. Only resources may hold templates. */
export function checkPattern(text: string, options: { templates: boolean }): ValueProblem | null {
  const problem = patternProblem(text);
  if (problem || !text.includes('${jwt:')) return problem;
  if (!options.templates) return { code: 'template_not_allowed', message: '${jwt:…} may not stand in an action' };
  if (parseTemplate(text)) return null;
  return { code: 'invalid_template', message: '${jwt:…} is not closed or names no claim' };
}

function compileText(text: unknown, path: string, templates: boolean): Part<Pattern | null> {
  if (typeof text !== 'string') return failed({ path, code: 'invalid_type', message: 'must be a string' });
  const problem = checkPattern(text, { templates });
  if (problem) return failed({ path, ...problem });
  return { value: compilePattern(parseTemplate(text) ?? []), claims: claimsOfText(text), problems: [] };
}

const failed = (problem: ConditionProblem): Part<null> => ({ value: null, claims: [], problems: [problem] });

const claimsOfText = (text: string): string[] =>
  (parseTemplate(text) ?? []).flatMap((part) =>
    typeof part === 'string' ? [] : claimsOfKey(parseKey(`jwt:${part.claim}`)),
  );

/** A claim and what decides whether it may be believed: mail addresses and group overage (see conditions). */
function claimsOfKey(attribute: AttributeKey | null): string[] {
  const [name] = attribute?.path ?? [];
  if (attribute?.source !== 'jwt' || name === undefined) return [];
  if (name === 'email') return [name, 'email_verified'];
  return name === 'groups' ? [name, '_claim_names', 'hasgroups'] : [name];
}
