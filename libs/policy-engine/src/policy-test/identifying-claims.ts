import { jsonPointer } from '../conditions';
import type { Claims } from '../decisions';
import type { Platform } from '../documents';
import {
  anyEdits,
  choiceEdits,
  claimAt,
  idEdits,
  mailEdits,
  nameEdits,
  nextId,
  pathEdits,
  refEdits,
  workflowEdits,
  type Edits,
} from './claim-edits';

/** A claim that says whose token it is, and which other values of it are near. */
export interface IdentifyingClaim {
  /** Name, or JSON Pointer of a nested one. */
  claim: string;
  edits: Edits;
  /** Claims that change along, because no issuer signs one without the other. */
  along?: (to: unknown, claims: Claims) => Record<string, unknown>;
  /** Where a text quotes the value several times, the last place is the one that is meant. */
  last?: boolean;
  /** The platform never leaves it out: no token without it is near. */
  always?: boolean;
}

export interface PlatformClaims {
  identifying: readonly IdentifyingClaim[];
  /** Claims that quote others: they are edited with what they quote. */
  quoting: readonly string[];
}

/** Somebody else's project has other ids. */
const otherIds =
  (...names: string[]): NonNullable<IdentifyingClaim['along']> =>
  (_, claims) =>
    Object.fromEntries(names.flatMap((name) => (name in claims ? [[name, nextId(claims[name])]] : [])));

const of = (edits: Edits, ...claims: string[]): IdentifyingClaim[] => claims.map((claim) => ({ claim, edits }));

const lastOf = (edits: Edits, ...claims: string[]): IdentifyingClaim[] =>
  of(edits, ...claims).map((item) => ({ ...item, last: true }));

const flag = choiceEdits('true', 'false');

/** GitHub: a tag is no branch, and the subject of a pull request names no ref. */
function githubRefAlong(ref: unknown, claims: Claims): Record<string, unknown> {
  if (typeof ref !== 'string') return {};
  const type = 'ref_type' in claims ? { ref_type: ref.startsWith('refs/tags/') ? 'tag' : 'branch' } : {};
  if (!ref.startsWith('refs/pull/')) return type;
  const sub = String(claims['sub']).replace(/:ref:.*$/, ':pull_request');
  return { ...type, sub, ...('event_name' in claims ? { event_name: 'pull_request' } : {}) };
}

const github: PlatformClaims = {
  identifying: [
    { claim: 'repository_owner', edits: nameEdits, along: otherIds('repository_owner_id', 'repository_id') },
    { claim: 'repository', edits: pathEdits, along: otherIds('repository_id') },
    ...of(idEdits, 'repository_id', 'repository_owner_id', 'enterprise_id'),
    ...of(nameEdits, 'enterprise'),
    { claim: 'ref', edits: refEdits, along: githubRefAlong, last: true },
    ...lastOf(nameEdits, 'environment'),
    { claim: 'event_name', edits: choiceEdits('pull_request_target', 'workflow_run'), always: true },
    ...of(workflowEdits, 'workflow_ref', 'job_workflow_ref'),
    ...of(choiceEdits('public', 'internal', 'private'), 'repository_visibility'),
    ...of(choiceEdits('github-hosted', 'self-hosted'), 'runner_environment'),
    ...of(flag, 'ref_protected'),
  ],
  // Not job_workflow_ref: whoever calls a shared workflow has it in the token, whatever the repository.
  quoting: ['repository', 'workflow_ref', 'sub'],
};

const gitlab: PlatformClaims = {
  identifying: [
    { claim: 'namespace_path', edits: nameEdits, along: otherIds('namespace_id', 'project_id') },
    { claim: 'project_path', edits: pathEdits, along: otherIds('project_id') },
    ...of(idEdits, 'namespace_id', 'project_id', 'runner_id'),
    ...lastOf(refEdits, 'ref', 'ref_path'),
    ...lastOf(choiceEdits('branch', 'tag'), 'ref_type'),
    ...lastOf(nameEdits, 'environment', 'deployment_tier'),
    ...of(flag, 'ref_protected', 'environment_protected'),
    ...of(choiceEdits('merge_request_event', 'external_pull_request_event'), 'pipeline_source'),
    ...of(workflowEdits, 'ci_config_ref_uri'),
    ...of(choiceEdits('public', 'internal', 'private'), 'project_visibility'),
    ...of(choiceEdits('gitlab-hosted', 'self-hosted'), 'runner_environment'),
  ],
  quoting: ['project_path', 'ci_config_ref_uri', 'sub'],
};

const circleci: PlatformClaims = {
  identifying: [
    ...of(idEdits, 'oidc.circleci.com/project-id', 'oidc.circleci.com/pipeline-definition-id'),
    ...of(anyEdits, 'oidc.circleci.com/context-ids'),
    { claim: 'oidc.circleci.com/ssh-rerun', edits: choiceEdits(true), always: true },
    ...of(refEdits, 'oidc.circleci.com/vcs-ref'),
    ...of(pathEdits, 'oidc.circleci.com/vcs-origin'),
  ],
  quoting: ['sub'],
};

const buildkite: PlatformClaims = {
  identifying: [
    { claim: 'organization_slug', edits: nameEdits, along: otherIds('organization_id', 'pipeline_id') },
    { claim: 'pipeline_slug', edits: nameEdits, along: otherIds('pipeline_id') },
    ...of(idEdits, 'organization_id', 'pipeline_id', 'cluster_id', 'queue_id'),
    ...lastOf(refEdits, 'build_branch', 'build_tag'),
    ...lastOf(nameEdits, 'step_key'),
  ],
  quoting: ['sub'],
};

const bitbucket: PlatformClaims = {
  identifying: [
    { claim: 'workspaceUuid', edits: idEdits, along: otherIds('repositoryUuid') },
    ...of(idEdits, 'repositoryUuid', 'deploymentEnvironmentUuid'),
    ...of(refEdits, 'branchName'),
  ],
  quoting: ['sub'],
};

const azureDevops: PlatformClaims = {
  identifying: [
    ...of(idEdits, 'org_id', 'prj_id', 'def_id'),
    ...of(pathEdits, 'sub', 'rpo_id', 'rpo_uri'),
    ...of(refEdits, 'rpo_ref'),
  ],
  quoting: [],
};

const terraform: PlatformClaims = {
  identifying: [
    {
      claim: 'terraform_organization_name',
      edits: nameEdits,
      along: otherIds('terraform_organization_id', 'terraform_project_id', 'terraform_workspace_id'),
    },
    {
      claim: 'terraform_project_name',
      edits: nameEdits,
      along: otherIds('terraform_project_id', 'terraform_workspace_id'),
    },
    { claim: 'terraform_workspace_name', edits: nameEdits, along: otherIds('terraform_workspace_id') },
    ...of(idEdits, 'terraform_organization_id', 'terraform_project_id', 'terraform_workspace_id'),
    ...lastOf(choiceEdits('plan', 'apply'), 'terraform_run_phase'),
  ],
  quoting: ['terraform_full_workspace', 'sub'],
};

const account = '/kubernetes.io/serviceaccount';

const kubernetes: PlatformClaims = {
  identifying: [
    ...of(nameEdits, '/kubernetes.io/namespace'),
    ...lastOf(nameEdits, `${account}/name`),
    ...of(idEdits, `${account}/uid`),
  ],
  quoting: ['sub'],
};

const entra: PlatformClaims = {
  identifying: [
    ...of(idEdits, 'tid', 'oid', 'sub', 'azp', 'appid'),
    ...of(anyEdits, 'groups', 'roles'),
    ...of(mailEdits, 'preferred_username'),
  ],
  quoting: [],
};

/** What differs from token to token without saying whose it is. */
const perToken = new Set(
  (
    'iss aud exp iat nbf jti nonce at_hash c_hash auth_time sid session_state acr amr ver typ updated_at aio uti rh ' +
    'name given_name family_name middle_name nickname locale zoneinfo picture'
  ).split(' '),
);

/** Most claims that are edited of an issuer of no known form. */
const MAX_CLAIMS = 100;

/** Of an issuer of no known form every claim counts that is not of the one token alone. */
const anyClaims = (claims: Claims): PlatformClaims => ({
  identifying: Object.keys(claims)
    .filter((claim) => !perToken.has(claim))
    .slice(0, MAX_CLAIMS)
    .flatMap((claim) => leavesOf(claims, claim))
    .slice(0, MAX_CLAIMS)
    .map((claim) => ({ claim, edits: /(^|[_/])email$/.test(claim) ? mailEdits : anyEdits })),
  quoting: [],
});

/** The claim, or what is in it when it is an object. */
function leavesOf(claims: Claims, claim: string): string[] {
  const value = claimAt(claims, claim);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [claim];
  const base = claim.startsWith('/') ? claim : jsonPointer([claim]);
  return Object.keys(value).flatMap((name) => leavesOf(claims, base + jsonPointer([name])));
}

const known: Partial<Record<Platform, PlatformClaims>> = {
  github,
  gitlab,
  circleci,
  buildkite,
  bitbucket,
  'azure-devops': azureDevops,
  'terraform-cloud': terraform,
  kubernetes,
  entra,
};

/** The claims of a platform's tokens that say whose they are; run ids, times and people are left out. */
export const claimsOfPlatform = (platform: Platform, claims: Claims): PlatformClaims =>
  known[platform] ?? anyClaims(claims);
