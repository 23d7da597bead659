import type { Platform } from '../documents';

export type ClaimType = 'text' | 'number' | 'boolean' | 'texts';

const of = (type: ClaimType, claims: readonly string[]) =>
  Object.fromEntries(claims.map((claim) => [claim, type] as const));

/** Types of claims that are easily taken for another. */
export const claimTypes: Partial<Record<Platform, Readonly<Record<string, ClaimType>>>> = {
  github: of('text', [
    ...['repository_id', 'repository_owner_id', 'actor_id', 'enterprise_id', 'run_id', 'run_number', 'run_attempt'],
    ...['ref_protected', 'check_run_id'],
  ]),
  gitlab: {
    ...of('text', [
      'namespace_id',
      'project_id',
      'user_id',
      'pipeline_id',
      'job_id',
      'ref_protected',
      'environment_protected',
    ]),
    ...of('number', ['runner_id']),
    ...of('texts', ['groups_direct']),
  },
  circleci: { ...of('boolean', ['oidc.circleci.com/ssh-rerun']), ...of('texts', ['oidc.circleci.com/context-ids']) },
  buildkite: of('number', ['build_number']),
  google: { ...of('boolean', ['email_verified']), ...of('text', ['sub', 'azp']) },
  entra: of('texts', ['groups', 'roles', 'wids', 'amr']),
  okta: {
    ...of('texts', ['groups', 'amr', 'scp']),
    ...of('number', ['ver', 'auth_time']),
    ...of('boolean', ['email_verified']),
  },
  keycloak: {
    ...of('texts', ['groups', '/realm_access/roles']),
    ...of('boolean', ['email_verified']),
    ...of('number', ['auth_time']),
  },
};
