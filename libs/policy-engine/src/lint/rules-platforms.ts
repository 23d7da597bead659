import { compilePattern, matchPattern } from '../patterns';
import type { Draft, RoleRule } from './lint-rule';
import { profileOf, type PlatformProfile } from './platform-profiles';
import { bindingChecks, isPattern, isText, issuersOf, platformsOf, type RoleCheck, type RoleView } from './role-view';
import { hasUnit } from './rules-tenancy';
import { example, fill } from './tenant-binding';

const on = (role: RoleView, platform: RoleView['issuers'][number]['platform']): boolean =>
  issuersOf(role, platform).length > 0;

const matches = (check: RoleCheck, value: string, text: string): boolean =>
  isPattern(check) ? matchPattern(compilePattern([value]), text, () => null) === true : value === text;

const pullRequests: RoleRule = {
  id: 'CS010',
  kind: 'Role',
  severity: 'warning',
  title: 'a subject that takes in pull requests, whose code nobody has reviewed yet',
  example: "condition: { StringLike: { jwt:sub: ['repo:acme/web:*'] } }",
  fix: 'Name the branch (jwt:ref: refs/heads/main) or the environment; keep what pull requests may do in a Role of its own.',
  lint: (role) => {
    if (!on(role, 'github') || excludesPullRequests(role)) return [];
    return bindingChecks(role, ['sub'])
      .filter(isText)
      .flatMap((check) => check.values.flatMap((value, index) => pullRequestOf(check, value, index)));
  },
};

function pullRequestOf(check: RoleCheck, value: string, index: number): Draft[] {
  const [, written = value] = /^(repo:[^:]*):/.exec(value) ?? [];
  const subject = `${fill(written, 'x', 'x')}:pull_request`;
  if (!/^repo:[^:]*\//.test(written) || !matches(check, value, subject)) return [];
  const path = `${check.path}/${index}`;
  return [{ path, message: 'also matches the subject of pull_request jobs', admits: [subject] }];
}

const pullRequestClaims: Readonly<Record<string, string>> = { ref: 'refs/pull/1/merge', event_name: 'pull_request' };

/** Whether a condition beside the subject is one that a pull request cannot meet. */
const excludesPullRequests = (role: RoleView): boolean =>
  role.checks.some((check) => {
    const sample = pullRequestClaims[check.claim ?? ''];
    const isMet = sample !== undefined && isText(check) && check.values.some((value) => matches(check, value, sample));
    if (check.operator.negative) return isMet;
    return check.binding && guards.includes(check.claim ?? '') && !isMet;
  });

const guards = ['ref', 'event_name', 'environment', 'ref_protected', 'ref_type'];

const codeClaims = ['workflow_ref', 'job_workflow_ref', 'environment', 'oidc.circleci.com/context-ids'];

const guardedEvents: RoleRule = {
  id: 'CS011',
  kind: 'Role',
  severity: 'warning',
  title: 'allowedEvents opens the role to jobs that strangers start, and nothing says which workflow it must be',
  example: 'allowedEvents: [pull_request_target]',
  fix: 'Pin the workflow (jwt:workflow_ref or jwt:job_workflow_ref with its branch), or a protected environment or context.',
  lint: (role) => {
    const { allowedEvents } = role.spec;
    if (allowedEvents.length === 0 || bindingChecks(role, codeClaims).length > 0) return [];
    return allowedEvents.map((event, index) => ({
      path: `/spec/allowedEvents/${index}`,
      message: `${event} runs with other people's code or hands in reach of the token, in any workflow that asks for it`,
      admits: event === 'ssh-rerun' ? ['oidc.circleci.com/ssh-rerun=true'] : [`event_name=${event}`],
    }));
  },
};

const environments: RoleRule = {
  id: 'CS012',
  kind: 'Role',
  severity: 'warning',
  title: 'an environment of any repository: everybody who may write to one can make an environment of that name',
  example: "condition: { StringEqual: { jwt:repository_owner_id: ['1'], jwt:environment: [production] } }",
  fix: 'Also pin the repository or project: jwt:repository_id, jwt:project_id.',
  lint: (role) =>
    platformsOf(role)
      .filter(({ platform }) => platform === 'github' || platform === 'gitlab')
      .flatMap(({ platform }) => {
        const profile = profileOf(platform);
        const [check] = environmentChecks(role);
        if (!profile || !check || hasUnit(role, profile)) return [];
        return [
          {
            path: check.path,
            message:
              'the environment is not one of a certain repository; its protection rules are those of whichever it is',
            admits: [example(check.claim ?? 'sub', fill(check.values[0] ?? '', 'any-repository', 'x'))],
          },
        ];
      }),
};

const environmentChecks = (role: RoleView): RoleCheck[] => [
  ...bindingChecks(role, ['environment']),
  ...bindingChecks(role, ['sub']).filter(({ values }) => values.some((value) => /:environment:/.test(value))),
];

const anyCode: RoleRule = {
  id: 'CS013',
  kind: 'Role',
  severity: 'info',
  title: 'no branch, tag, environment, workflow or event: any code in the repository gets in',
  example: "condition: { StringEqual: { jwt:repository_id: ['1'] } }",
  fix: 'Name what may run: a protected branch, an environment, or the workflow.',
  lint: (role) =>
    platformsOf(role).flatMap(({ platform }) => {
      const profile = profileOf(platform);
      if (!profile || profile.code.length === 0 || platform === 'terraform-cloud') return [];
      return saysWhichCode(role, profile)
        ? []
        : [{ path: '/spec/condition', message: 'any branch that somebody may push to is enough' }];
    }),
};

/** Roles without any tenant have graver findings. */
function saysWhichCode(role: RoleView, profile: PlatformProfile): boolean {
  if (bindingChecks(role, profile.code).length > 0) return true;
  const { repositories = [] } = role.spec;
  if (repositories.length > 0)
    return repositories.every(({ ref, environment }) => ref !== null || environment !== null);
  const tenant = bindingChecks(role, Object.keys(profile.tenant));
  return tenant.length === 0 || tenant.some(subjectNamesCode);
}

/** Whether a subject goes on after the repository with more than a wildcard. */
const subjectNamesCode = ({ claim, values }: RoleCheck): boolean =>
  claim === 'sub' &&
  values.every((value) => /:(ref|environment|pull_request|ref_type|job_workflow_ref|workflow)(:[^*?]|$)/.test(value));

const unprotectedRefs: RoleRule = {
  id: 'CS014',
  kind: 'Role',
  severity: 'warning',
  title: 'branches or tags by a pattern, of which not all are protected (GitLab)',
  example: "condition: { StringLike: { jwt:ref: ['release/*'] } }",
  fix: "Add jwt:ref_protected: ['true'] under StringEqual.",
  lint: (role) => {
    if (!on(role, 'gitlab') || bindingChecks(role, ['ref_protected']).length > 0) return [];
    return bindingChecks(role, ['ref', 'ref_path', 'sub'])
      .filter(isPattern)
      .flatMap(({ claim, path, values }) =>
        values.flatMap((value, index) =>
          claim !== 'sub' || /:ref:.*[*?]/.test(value) ? [openRef(claim, value, `${path}/${index}`)] : [],
        ),
      );
  },
};

const openRef = (claim: string | null, value: string, path: string): Draft => ({
  path,
  message: 'everybody who may push can make a branch or tag that matches',
  admits: [example(claim ?? 'sub', fill(value, 'evil', 'evil'))],
});

const namespaces: RoleRule = {
  id: 'CS015',
  kind: 'Role',
  severity: 'warning',
  title: 'service accounts of any namespace (Kubernetes)',
  example: "condition: { StringLike: { jwt:sub: ['system:serviceaccount:*:deployer'] } }",
  fix: 'Write the namespace out, or pin jwt:/kubernetes.io/namespace under StringEqual.',
  lint: (role) => {
    if (!on(role, 'kubernetes') || pinsNamespace(role)) return [];
    return bindingChecks(role, ['sub', '/kubernetes.io/namespace'])
      .filter(isPattern)
      .flatMap(({ claim, values, path }) =>
        values.flatMap((value, index) =>
          claim === 'sub' && /^system:serviceaccount:[^*?:]+:/.test(value)
            ? []
            : [openNamespace(claim, value, `${path}/${index}`)],
        ),
      );
  },
};

const pinsNamespace = (role: RoleView): boolean =>
  bindingChecks(role, ['/kubernetes.io/namespace', 'sub']).some((check) =>
    check.values.every((value) => !isPattern(check) || /^system:serviceaccount:[^*?:]+:/.test(value)),
  );

function openNamespace(claim: string | null, value: string, path: string): Draft {
  const dash = /\w[*]/.test(value) ? '-' : '';
  const subjects = [`${dash}evil:deployer`, 'serviceaccount:evil:deployer', `${dash}evil`].map((text) =>
    fill(value, text, 'deployer'),
  );
  const found = subjects.find((subject) => /^system:serviceaccount:[^:]+:[^:]+$/.test(subject));
  return {
    path,
    message: 'whoever may make a namespace or a service account in one gets in',
    admits: [example(claim ?? 'sub', found ?? fill(value, `${dash}evil`, 'x'))],
  };
}

const runPhase: RoleRule = {
  id: 'CS016',
  kind: 'Role',
  severity: 'warning',
  title: 'plans as well as applies (HCP Terraform): a plan runs before anybody has approved it',
  example: "condition: { StringEqual: { jwt:terraform_workspace_id: ['ws-1'] } }",
  fix: 'Pin jwt:terraform_run_phase: [apply], and give plans a Role that only reads.',
  lint: (role) => {
    const pinned =
      bindingChecks(role, ['terraform_run_phase']).length > 0 ||
      bindingChecks(role, ['sub']).some(({ values }) => values.every((value) => /:run_phase:[a-z]+$/.test(value)));
    if (!on(role, 'terraform-cloud') || pinned) return [];
    return [
      {
        path: '/spec/condition',
        message: 'speculative plans of proposed changes get in, too',
        admits: ['terraform_run_phase=plan'],
      },
    ];
  },
};

export const platformRules: readonly RoleRule[] = [
  pullRequests,
  guardedEvents,
  environments,
  anyCode,
  unprotectedRefs,
  namespaces,
  runPhase,
];
