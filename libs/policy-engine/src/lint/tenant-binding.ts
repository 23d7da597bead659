import type { NameForm, PlatformProfile } from './platform-profiles';
import { isPattern, isText, namesRepositories, type RoleCheck, type RoleView } from './role-view';

/** `bound`: one tenant. `partial`: tenants whose name begins so. `open`: any tenant. */
export type Binding = 'bound' | 'partial' | 'open';

export interface LooseValue {
  path: string;
  claim: string;
  value: string;
  binding: Binding;
}

export type Tenancy =
  | { kind: 'bound' }
  /** No condition on a claim that says whose job it is. */
  | { kind: 'none' }
  /** Nothing but the workflow that is called. */
  | { kind: 'workflow'; path: string; value: string }
  | { kind: 'loose'; values: LooseValue[] };

/** How far a role says whose jobs it admits. The profiles are those of all the issuers that it pins. */
export function tenancyOf(role: RoleView, profiles: readonly PlatformProfile[]): Tenancy {
  if (namesRepositories(role)) return { kind: 'bound' };
  const known = (claim: string): NameForm[] => profiles.flatMap(({ tenant }) => tenant[claim] ?? []);
  const checks = role.checks
    .filter((check) => check.binding && check.claim !== null && known(check.claim).length > 0)
    .map((check) => valuesOf(check, known(check.claim ?? '')));
  const bound = checks.some((values) => values.every(({ binding }) => binding === 'bound'));
  if (bound) return { kind: 'bound' };
  const [workflow] = role.checks.filter(({ claim, binding }) => binding && claim === 'job_workflow_ref');
  if (checks.length === 0) {
    return workflow ? { kind: 'workflow', path: workflow.path, value: workflow.values[0] ?? '' } : { kind: 'none' };
  }
  // Conditions are ANDed: the tightest says what comes through.
  const tightest = checks.find((values) => values.every(({ binding }) => binding !== 'open')) ?? checks[0] ?? [];
  return { kind: 'loose', values: tightest.filter(({ binding }) => binding !== 'bound') };
}

function valuesOf(check: RoleCheck, forms: readonly NameForm[]): LooseValue[] {
  const claim = check.claim ?? '';
  return check.values.map((value, index) => ({
    path: `${check.path}/${index}`,
    claim,
    value,
    binding: isText(check) ? bindingOf({ claim, value, pattern: isPattern(check) }, forms) : 'open',
  }));
}

interface Value {
  claim: string;
  value: string;
  pattern: boolean;
}

function bindingOf({ claim, value, pattern }: Value, forms: readonly NameForm[]): Binding {
  const stop = pattern ? value.search(/[*?]/) : -1;
  if (stop < 0) return claim === 'sub' && namesNobody(value, forms) ? 'open' : 'bound';
  if (claim === 'email') return namesDomain(value) ? 'bound' : 'open';
  return bindingOfHead(value.slice(0, stop), forms);
}

/** Whether a pattern of mail addresses ends with a domain, or with one of which any part is meant. */
export const namesDomain = (pattern: string): boolean => /@(\*\.(?=[^*?@]+\.))?[^*?@]+$/.test(pattern);

/** What the text before the first wildcard says. */
function bindingOfHead(head: string, forms: readonly NameForm[]): Binding {
  const form = forms.find(({ prefix }) => head.startsWith(prefix));
  const owner = form ? head.slice(form.prefix.length) : '';
  if (!form || owner === '') return 'open';
  return form.end !== '' && owner.indexOf(form.end) > 0 ? 'bound' : 'partial';
}

/** GitHub's subjects can be made of any claims: one without the owner is the same in anybody's repository. */
function namesNobody(subject: string, forms: readonly NameForm[]): boolean {
  if (!forms.some(({ prefix }) => prefix === 'repo:')) return false;
  if (!/^(environment|ref|ref_type|context|workflow|job_workflow_ref|event_name|actor|actor_id):/.test(subject))
    return false;
  return !forms.some(({ prefix }) => subject.includes(`:${prefix}`));
}

const laterFills = ['ref:refs/heads/main', 'refs/heads/main', 'x', 'main'];

/** What the first wildcard of a pattern may stand for, the likeliest first: parts of a stranger's subject. */
function fillsOf({ claim, value }: { claim: string; value: string }, { stranger, tenant }: PlatformProfile): string[] {
  const prefix = (tenant['sub'] ?? []).find((form) => stranger.startsWith(form.prefix))?.prefix ?? '';
  const rest = stranger.slice(prefix.length);
  const [name = ''] = rest.split(/[:/]/);
  const at = value.indexOf('*');
  const dash = /[\p{L}\p{N}]$/u.test(value.slice(0, at)) ? '-' : '';
  if (claim === 'sub' && at === value.length - 1) return cuts(rest).map((cut) => `${dash}${name}${rest.slice(cut)}`);
  const starts = cuts(rest).map((cut) => `${dash}${rest.slice(0, cut)}`);
  return claim === 'sub' && at === 0 ? cuts(stranger).map((cut) => stranger.slice(0, cut)) : starts;
}

/** Places of the delimiters, and the end. */
const cuts = (text: string): number[] => [...text.matchAll(/[:/]|$/g)].map(({ index }) => index);

const oneSlash = /^[^/:]+\/[^/:]+$/;
const forms: Readonly<Record<string, RegExp>> = {
  repository: oneSlash,
  project_path: oneSlash,
  email: /^[^@]+@[^@]+$/,
};
const plainName = /^[^:/]+$/;

/** A value of the claim that the pattern matches and that its author hardly meant, written as `admits` has it. */
export function strangerOf({ claim, value }: { claim: string; value: string }, profile: PlatformProfile): string {
  const likely = claim === 'sub' ? profile.subject : (forms[claim] ?? plainName);
  const candidates = fillsOf({ claim, value }, profile).flatMap((first) =>
    laterFills.map((later) => fill(value, first, later)),
  );
  return example(claim, candidates.find((candidate) => likely.test(candidate)) ?? candidates[0] ?? value);
}

/** A pattern with its wildcards filled in. */
export function fill(pattern: string, first: string, later: string): string {
  const at = pattern.indexOf('*');
  if (at < 0) return pattern.replaceAll('?', '9');
  return (pattern.slice(0, at) + first + pattern.slice(at + 1).replaceAll('*', later)).replaceAll('?', '9');
}

/** `sub` is written plainly, as in tokens; other claims with their name. */
export const example = (claim: string, value: string): string => (claim === 'sub' ? value : `${claim}=${value}`);
