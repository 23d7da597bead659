import type { Platform } from '@countersign/policy-engine';

const patterns: readonly (readonly [Platform, RegExp])[] = [
  ['github', /^https:\/\/token\.actions\.githubusercontent\.com(\/|$)/],
  ['github', /^https:\/\/[^/]+\/_services\/token$/],
  ['github', /^https:\/\/token\.actions\.[^/]+\.ghe\.com(\/|$)/],
  ['gitlab', /^https:\/\/gitlab\.[^/]+(\/|$)/],
  ['circleci', /^https:\/\/oidc\.circleci\.com\/org\//],
  ['buildkite', /^https:\/\/agent\.buildkite\.com$/],
  ['bitbucket', /^https:\/\/api\.bitbucket\.org\/2\.0\/workspaces\//],
  ['azure-devops', /^https:\/\/vstoken\.dev\.azure\.com\//],
  ['terraform-cloud', /^https:\/\/app(\.eu)?\.terraform\.io$/],
  ['kubernetes', /^https:\/\/kubernetes\.default(\.svc)?([./]|$)/],
  ['kubernetes', /^https:\/\/oidc\.eks\.[^/]+\.amazonaws\.com(\.cn)?\/id\//],
  ['kubernetes', /^https:\/\/container\.googleapis\.com\/v1\/projects\//],
  ['kubernetes', /^https:\/\/[^/]+\.oic\.prod-aks\.azure\.com\//],
  ['google', /^(https:\/\/)?accounts\.google\.com$/],
  ['entra', /^https:\/\/(login\.microsoftonline\.com|sts\.windows\.net)\//],
  ['okta', /^https:\/\/[^/]+\.(okta|oktapreview|okta-emea)\.com(\/|$)/],
  ['keycloak', /^https?:\/\/[^/]+\/(.+\/)?realms\/[^/]+$/],
];

/** The platform that uses an issuer URL of this form. */
export const inferPlatform = (iss: string): Platform => patterns.find(([, form]) => form.test(iss))?.[0] ?? 'generic';

/** Whether an Entra issuer is the one of a single tenant: its tokens name the same id in `tid`. */
export const namesTenant = (iss: string): boolean => /\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\/|$)/.test(iss);

const mail = ['email', 'preferred_username'];

/** Claims by which tokens are usually revoked, copied into `fed.claims` unless the document says otherwise. */
export const defaultCarry: Record<Platform, readonly string[]> = {
  github: [
    'repository',
    'repository_id',
    'repository_owner',
    'repository_owner_id',
    'ref',
    'run_id',
    'sha',
    'actor',
    'actor_id',
    'environment',
    'event_name',
    'job_workflow_ref',
  ],
  gitlab: ['project_path', 'project_id', 'namespace_id', 'ref', 'ref_type', 'pipeline_id', 'job_id', 'sha', 'user_id'],
  circleci: [
    'oidc.circleci.com/project-id',
    'oidc.circleci.com/pipeline-id',
    'oidc.circleci.com/workflow-id',
    'oidc.circleci.com/job-id',
    'oidc.circleci.com/vcs-ref',
  ],
  buildkite: [
    'organization_slug',
    'organization_id',
    'pipeline_slug',
    'pipeline_id',
    'build_number',
    'build_branch',
    'build_commit',
    'job_id',
  ],
  bitbucket: ['workspaceUuid', 'repositoryUuid', 'pipelineUuid', 'pipelineRunUuid', 'stepUuid', 'branchName'],
  'azure-devops': ['org_id', 'prj_id', 'def_id', 'rpo_id', 'rpo_ref', 'rpo_ver', 'run_id'],
  'terraform-cloud': [
    'terraform_organization_id',
    'terraform_project_id',
    'terraform_workspace_id',
    'terraform_run_id',
    'terraform_run_phase',
  ],
  kubernetes: ['kubernetes.io'],
  google: ['email', 'azp'],
  entra: ['tid', 'oid', 'azp', 'appid'],
  okta: mail,
  keycloak: [...mail, 'azp'],
  generic: [],
};
