import type { Claims } from '../decisions';
import type { RoleSpec } from '../documents';
import type { DocumentEdit, ExplainedCheck, ExplainedRole } from './explanation';
import { failedChecks } from './nearest-first';
import { repositoryEdits } from './repository-edits';
import { addressBlock, valueEdits } from './value-edits';

/**
 * Edits of a role's document, each by itself, after which its only obstacle may be gone; the smallest first. None
 * where the request lacks what the role asks for: what would admit it then is to ask for less, of everybody.
 */
export function suggestEdits(
  role: ExplainedRole,
  spec: RoleSpec,
  { publicUrl, claims }: { publicUrl: string; claims: Claims },
): DocumentEdit[] {
  const [check] = failedChecks(role);
  if (check === undefined) return [{ op: 'replace', path: '/spec/shadow', value: false }];
  if (spec.repositories && /^\/spec\/principal(\/|$)/.test(check.path)) {
    return repositoryEdits(check, spec.repositories, claims);
  }
  const special = specials[check.path];
  return special === undefined ? valueEdits(check, spec.condition) : special(check, spec, publicUrl);
}

type Special = (check: ExplainedCheck, spec: RoleSpec, publicUrl: string) => DocumentEdit[];

/** Checks that are no condition. A scope is mended in the request. */
const specials: Partial<Record<string, Special>> = {
  '/spec/disabled': () => [{ op: 'replace', path: '/spec/disabled', value: false }],
  '/spec/multipleAudiences': () => [{ op: 'add', path: '/spec/multipleAudiences', value: true }],
  '/spec/allowedEvents': ({ actual }, { allowedEvents }) => added('/spec/allowedEvents', allowedEvents, [actual]),
  '/spec/trustedIps': ({ actual }, { trustedIps }) =>
    typeof actual === 'string' ? added('/spec/trustedIps', trustedIps, [addressBlock(actual)]) : [],
  '/spec/audience': ({ actual }, { audience }, publicUrl) => {
    const wanted = actual === null ? [] : [actual].flat();
    const missing = wanted.filter((one) => !(audience as unknown[]).includes(one));
    // An empty list stands for our own URL, which a list that is not empty has to name.
    return audience.length > 0 || missing.length === 0
      ? added('/spec/audience', audience, missing)
      : [{ op: 'add', path: '/spec/audience', value: [publicUrl, ...missing.filter((one) => one !== publicUrl)] }];
  },
  '/metadata/name': () => [],
  '/spec/policy': () => [],
};

function added(path: string, list: readonly unknown[], values: readonly unknown[]): DocumentEdit[] {
  if (values.length === 0) return [];
  if (list.length === 0) return [{ op: 'add', path, value: [...values] }];
  if (values.length === 1) return [{ op: 'add', path: `${path}/-`, value: values[0] }];
  return [{ op: 'replace', path, value: [...list, ...values] }];
}
