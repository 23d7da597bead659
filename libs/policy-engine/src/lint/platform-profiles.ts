import type { Platform } from '../documents';

/** How a claim spells whose job it is: after `prefix`, up to `end` or, with '', to the end of the value. */
export interface NameForm {
  prefix: string;
  end: string;
}

/** What lint knows about the tokens of a platform. */
export interface PlatformProfile {
  /** Claims that say whose job it is. */
  tenant: Readonly<Record<string, readonly NameForm[]>>;
  /** Those of them that are never given to somebody else; none when the platform has none by default. */
  ids: readonly string[];
  /** Values of these claims that say which repository, project or workspace it is. */
  unit: Readonly<Record<string, RegExp>>;
  /** Patterns whose wildcard continues the name of a repository, project or workspace. */
  openName: Readonly<Record<string, RegExp>>;
  /** Claims that say which code runs: branch, tag, environment, workflow. */
  code: readonly string[];
  /** The subject of a stranger. */
  stranger: string;
  /** The form of a subject. */
  subject: RegExp;
}

const whole: readonly NameForm[] = [{ prefix: '', end: '' }];
const upTo = (end: string, prefix = ''): NameForm => ({ prefix, end });
const all = (claims: readonly string[]) => Object.fromEntries(claims.map((claim) => [claim, whole]));
const named = (claims: readonly string[]) => Object.fromEntries(claims.map((claim) => [claim, /^[^*?]+$/]));

const github: PlatformProfile = {
  tenant: {
    sub: [
      upTo('/', 'repo:'),
      upTo('/', 'repository:'),
      ...['repository_owner:', 'repository_owner_id:', 'repository_id:', 'enterprise:', 'enterprise_id:'].map(
        (prefix) => upTo(':', prefix),
      ),
    ],
    repository: [upTo('/')],
    workflow_ref: [upTo('/')],
    ...all(['repository_id', 'repository_owner', 'repository_owner_id', 'enterprise', 'enterprise_id']),
  },
  ids: ['repository_id', 'repository_owner_id', 'enterprise_id'],
  unit: {
    ...named(['repository', 'repository_id']),
    workflow_ref: /^[^*?]+\/\.github\//,
    sub: /^(repo|repository):[^*?:]+(:|$)|(^|:)repository_id:\d+(:|$)/,
  },
  openName: {
    sub: /^(repo|repository):[^*?/]+\/[^*?:]*[^*?:@][*?]/,
    repository: /^[^*?/]+\/[^*?]+[*?]/,
  },
  code: ['ref', 'environment', 'workflow_ref', 'job_workflow_ref', 'event_name', 'ref_protected', 'base_ref', 'sha'],
  stranger: 'repo:evil/x:ref:refs/heads/main',
  subject: /^repo:[^/:]+\/[^/:]+:.+/,
};

const gitlab: PlatformProfile = {
  tenant: {
    sub: [upTo('/', 'project_path:')],
    project_path: [upTo('/')],
    namespace_path: [upTo('/')],
    ci_config_ref_uri: [upTo('/', 'gitlab.com/')],
    ...all(['project_id', 'namespace_id']),
  },
  ids: ['project_id', 'namespace_id'],
  unit: { ...named(['project_path', 'project_id']), sub: /^project_path:[^*?:]+(:|$)/ },
  openName: { sub: /^project_path:[^*?:]*\/[^*?:]*[^*?:/][*?]/, project_path: /^[^*?]*\/[^*?]*[^*?/][*?]/ },
  code: ['ref', 'ref_path', 'ref_protected', 'environment', 'ci_config_ref_uri', 'pipeline_source', 'sha'],
  stranger: 'project_path:evil/x:ref_type:branch:ref:main',
  subject: /^project_path:[^:]+\/[^:]+:ref_type:.+/,
};

const terraform: PlatformProfile = {
  tenant: {
    sub: [upTo(':', 'organization:')],
    terraform_full_workspace: [upTo(':', 'organization:')],
    ...all(['terraform_organization_name', 'terraform_organization_id']),
    ...all(['terraform_project_id', 'terraform_workspace_id']),
  },
  ids: ['terraform_organization_id', 'terraform_project_id', 'terraform_workspace_id'],
  unit: {
    ...named(['terraform_workspace_id', 'terraform_full_workspace']),
    sub: /:workspace:[^*?:]+(:|$)/,
  },
  openName: { sub: /:(project|workspace):[^*?:]+[*?]/, terraform_full_workspace: /:(project|workspace):[^*?:]+[*?]/ },
  code: ['terraform_run_phase'],
  stranger: 'organization:evil:project:x:workspace:x:run_phase:apply',
  subject: /^organization:[^:]+:project:[^:]+:workspace:[^:]+:run_phase:[^:]+$/,
};

const buildkite: PlatformProfile = {
  tenant: {
    sub: [upTo(':', 'organization:')],
    ...all(['organization_slug', 'organization_id', 'pipeline_id']),
  },
  ids: [],
  unit: { ...named(['pipeline_slug', 'pipeline_id']), sub: /:pipeline:[^*?:]+:/ },
  openName: { sub: /:pipeline:[^*?:]+[*?]/, pipeline_slug: /[^*?][*?]/ },
  code: ['build_branch', 'build_tag', 'build_commit'],
  stranger: 'organization:evil:pipeline:x:ref:refs/heads/main:commit:0000000:step:x',
  subject: /^organization:[^:]+:pipeline:[^:]+:ref:.+/,
};

const circleci: PlatformProfile = {
  tenant: { sub: [upTo('/', 'org/')], 'oidc.circleci.com/project-id': whole },
  ids: [],
  unit: { ...named(['oidc.circleci.com/project-id']), sub: /^org\/[^*?/]+\/project\/[^*?/]+/ },
  openName: {},
  code: ['oidc.circleci.com/vcs-ref', 'oidc.circleci.com/context-ids'],
  stranger: 'org/666/project/666/user/666',
  subject: /^org\/[^/]+\/project\/[^/]+\/user\/.+/,
};

const bitbucket: PlatformProfile = {
  tenant: { sub: [upTo(':')], ...all(['workspaceUuid', 'repositoryUuid']) },
  ids: [],
  unit: { ...named(['repositoryUuid']), sub: /^\{[^*?]+\}:/ },
  openName: {},
  code: ['branchName', 'deploymentEnvironmentUuid'],
  stranger: '{666}:{666}',
  subject: /^\{[^}]+\}:\{[^}]+\}$/,
};

const azureDevops: PlatformProfile = {
  tenant: { sub: [upTo('/', 'p://'), upTo('/', 'sc://')], ...all(['org_id', 'prj_id', 'def_id', 'rpo_id']) },
  ids: [],
  unit: { ...named(['prj_id', 'def_id']), sub: /^(p|sc):\/\/[^*?/]+\/[^*?/]+\// },
  openName: { sub: /^(p|sc):\/\/[^*?/]+\/[^*?/]+[*?]/ },
  code: ['def_id', 'rpo_ref', 'sub'],
  stranger: 'p://evil/x/x',
  subject: /^(p|sc):\/\/[^/]+\/[^/]+\/.+/,
};

const google: PlatformProfile = {
  tenant: { ...all(['sub', 'email', 'azp', 'hd']) },
  ids: [],
  unit: {},
  openName: {},
  code: [],
  stranger: '666000666000666000666',
  subject: /./,
};

/** Entra as far as strangers go: an `iss` of many tenants. */
const entra: PlatformProfile = { ...google, tenant: all(['tid', 'sub', 'oid']), stranger: 'evil' };

const profiles: Partial<Record<Platform, PlatformProfile>> = {
  github,
  gitlab,
  circleci,
  buildkite,
  bitbucket,
  'azure-devops': azureDevops,
  'terraform-cloud': terraform,
  google,
  entra,
};

/** undefined for platforms whose issuers serve one organisation and people rather than jobs. */
export const profileOf = (platform: Platform): PlatformProfile | undefined => profiles[platform];

/** Platforms that run jobs: what they do is over within the hour. */
export const ciPlatforms: ReadonlySet<Platform> = new Set<Platform>([
  'github',
  'gitlab',
  'circleci',
  'buildkite',
  'bitbucket',
  'azure-devops',
  'terraform-cloud',
]);
