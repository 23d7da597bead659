import { lower, type Draft, type RoleRule } from './lint-rule';
import type { Severity } from './lint-findings';
import type { Hosting, IssuerView } from './issuer-view';
import { profileOf, type PlatformProfile } from './platform-profiles';
import {
  bindingChecks,
  isPattern,
  issuersOf,
  issuersPath,
  namesRepositories,
  platformsOf,
  type RoleView,
} from './role-view';
import { fill, strangerOf, tenancyOf, type Binding, type Tenancy } from './tenant-binding';

/** A role on the issuers of one platform. */
interface Situation {
  role: RoleView;
  issuer: IssuerView;
  profile: PlatformProfile;
  tenancy: Tenancy;
}

const known = new WeakMap<RoleView, Situation[]>();

/** Six rules ask for the same. */
function situations(role: RoleView): Situation[] {
  const found = known.get(role) ?? situate(role);
  known.set(role, found);
  return found;
}

function situate(role: RoleView): Situation[] {
  const concerned = platformsOf(role).flatMap((issuer) => {
    const profile = profileOf(issuer.platform);
    // An Entra issuer names its tenant, and the exchange checks it; only one of many tenants concerns strangers.
    const isConcerned = profile && !(issuer.platform === 'entra' && issuer.hosting !== 'shared');
    return isConcerned ? [{ issuer, profile }] : [];
  });
  const tenancy = tenancyOf(
    role,
    concerned.map(({ profile }) => profile),
  );
  return concerned.map(({ issuer, profile }) => ({ role, issuer, profile, tenancy }));
}

/** A stranger of a shared issuer is anybody; elsewhere it is somebody of the same house. */
const graded = (hosting: Hosting): Severity => (hosting === 'shared' ? 'error' : 'warning');

const noTenant: RoleRule = {
  id: 'CS001',
  kind: 'Role',
  severity: 'error',
  title: 'no condition says whose job it is, on an issuer that signs for everybody',
  example: 'condition: { StringEqual: { jwt:iss: [https://gitlab.com], jwt:ref: [main] } }',
  fix: 'Add the ids of the owner and of the repository, project or workspace under StringEqual.',
  lint: (role) =>
    situations(role).flatMap(({ issuer, profile, tenancy }) =>
      tenancy.kind === 'none'
        ? [
            {
              path: '/spec/condition',
              severity: issuer.isStandIn ? 'warning' : graded(issuer.hosting),
              message: `admits jobs of everybody for whom ${issuer.iss} signs`,
              admits: [profile.stranger],
              ...(profile.ids.length === 0 ? {} : { fix: `Add ${ids(profile)} under StringEqual.` }),
            },
          ]
        : [],
    ),
};

const ids = (profile: PlatformProfile): string => profile.ids.map((claim) => `jwt:${claim}`).join(' or ');

function looseValues(
  role: RoleView,
  wanted: Binding,
  draft: (situation: Situation) => Pick<Draft, 'message' | 'severity'>,
) {
  return situations(role).flatMap((situation) => {
    const { tenancy, profile } = situation;
    if (tenancy.kind !== 'loose') return [];
    return tenancy.values
      .filter(({ binding }) => binding === wanted)
      .map((value) => ({ path: value.path, admits: [strangerOf(value, profile)], ...draft(situation) }));
  });
}

const openTenant: RoleRule = {
  id: 'CS002',
  kind: 'Role',
  severity: 'error',
  title: 'a value that leaves open whose job it is',
  example: "condition: { StringLike: { jwt:sub: ['repo:*/web:*'] } }",
  fix: 'Write the owner out before the first wildcard, or better name the repository: principal: github:OWNER/REPO.',
  lint: (role) =>
    looseValues(role, 'open', ({ issuer }) => ({
      severity: issuer.hosting === 'own' ? 'warning' : 'error',
      message: `matches jobs of anybody at ${issuer.iss}`,
    })),
};

const openOwner: RoleRule = {
  id: 'CS003',
  kind: 'Role',
  severity: 'error',
  title: 'a wildcard inside the name of the owner',
  example: "condition: { StringLike: { jwt:sub: ['repo:acme*'] } }",
  fix: 'End the name with its delimiter (repo:acme/…), or better pin the id of the owner.',
  lint: (role) =>
    looseValues(role, 'partial', ({ issuer }) => ({
      severity: issuer.hosting === 'own' ? 'warning' : 'error',
      message: 'the wildcard also stands for the rest of other names that begin so',
    })),
};

const openName: RoleRule = {
  id: 'CS004',
  kind: 'Role',
  severity: 'warning',
  title: 'a wildcard inside the name of a repository, project, workspace or pipeline',
  example: "condition: { StringLike: { jwt:sub: ['repo:acme/web*'] } }",
  fix: 'End the name with its delimiter (repo:acme/web:…), or pin the id of the repository.',
  lint: (role) =>
    situations(role)
      .filter(({ tenancy }) => tenancy.kind === 'bound')
      .flatMap(({ profile }) => unfinishedNames(role, profile)),
};

/** Unless another condition says which one it is. */
function unfinishedNames(role: RoleView, profile: PlatformProfile): Draft[] {
  if (hasUnit(role, profile)) return [];
  return bindingChecks(role, Object.keys(profile.openName))
    .filter(isPattern)
    .flatMap(({ claim, values, path }) =>
      values.flatMap((value, index) =>
        profile.openName[claim ?? '']?.test(value)
          ? [
              {
                path: `${path}/${index}`,
                message: 'the wildcard also stands for the rest of other names that begin so',
                admits: [strangerOf({ claim: claim ?? '', value }, profile)],
              },
            ]
          : [],
      ),
    );
}

/** Whether a condition says which repository, project or workspace it is. */
export const hasUnit = (role: RoleView, { unit }: PlatformProfile): boolean =>
  namesRepositories(role) ||
  bindingChecks(role, Object.keys(unit)).some(({ claim, values }) =>
    values.every((value) => unit[claim ?? '']?.test(value)),
  );

const reusableWorkflow: RoleRule = {
  id: 'CS005',
  kind: 'Role',
  severity: 'error',
  title: 'only the reusable workflow is named, which anybody may call',
  example:
    'condition: { StringEqual: { jwt:job_workflow_ref: [acme/ci/.github/workflows/deploy.yml@refs/heads/main] } }',
  fix: 'Also name jwt:repository_owner_id or jwt:repository_id: those of the callers.',
  lint: (role) =>
    situations(role).flatMap(({ issuer, tenancy }) =>
      tenancy.kind === 'workflow'
        ? [
            {
              path: tenancy.path,
              severity: graded(issuer.hosting),
              message: 'a workflow that others can read can be called from their repositories',
              admits: [`repository=evil/x, job_workflow_ref=${fill(tenancy.value, 'refs/heads/main', 'x')}`],
            },
          ]
        : [],
    ),
};

const namesOnly: RoleRule = {
  id: 'CS006',
  kind: 'Role',
  severity: 'warning',
  title: 'names without ids: they pass to whoever takes a name that was given up',
  example: 'condition: { StringEqual: { jwt:repository: [acme/web] } }',
  fix: 'Add the ids, or name the repository as principal: github:OWNER/REPO, which is pinned to its ids.',
  lint: (role) =>
    situations(role)
      .filter(({ tenancy, profile }) => tenancy.kind === 'bound' && profile.ids.length > 0)
      .filter(({ profile }) => !hasIds(role, profile))
      .map(({ issuer, profile }) => ({
        ...recycled(role, profile),
        severity: issuer.hosting === 'shared' ? 'warning' : 'info',
        message: 'a name can be given up and taken by somebody else, whose jobs are then admitted',
        fix: `Add ${ids(profile)} under StringEqual: ids stay through renames, and are never given out again.`,
      })),
};

const idsInSubject = /^repo:[^/*?]+@\d+\/|(^|:)(repository_owner_id|repository_id|enterprise_id):\d+(:|$)/;

const hasIds = (role: RoleView, profile: PlatformProfile): boolean =>
  namesRepositories(role) ||
  bindingChecks(role, profile.ids).length > 0 ||
  bindingChecks(role, ['sub']).some(({ values }) => values.every((value) => idsInSubject.test(value)));

/** The names as they are, with an id that is another's. */
function recycled(role: RoleView, profile: PlatformProfile): Pick<Draft, 'path' | 'admits'> {
  const [check] = bindingChecks(role, Object.keys(profile.tenant));
  const { claim, values, path } = check ?? { claim: 'sub', values: [], path: '/spec/condition' };
  const name = fill(values[0] ?? '', profile.stranger.slice(-1), 'x');
  return { path, admits: [`${claim}=${name}, ${profile.ids.at(0)}=666, ${profile.ids.at(1)}=666`] };
}

const sharedIdentity: RoleRule = {
  id: 'CS007',
  kind: 'Role',
  severity: 'error',
  title: 'one identity for several issuers of a platform, of which each gives out its own names and ids',
  example:
    'condition: { StringEqual: { jwt:iss: [https://token.actions.githubusercontent.com, https://ghe.example.com/_services/token], jwt:repository_id: ["12"] } }',
  fix: 'Write one Role for each issuer, with the names and ids of that issuer.',
  lint: (role) =>
    platformsOf(role).flatMap(({ platform }) => {
      const [open, ...others] = issuersOf(role, platform);
      const profile = profileOf(platform);
      const [check] = bindingChecks(role, Object.keys(profile?.tenant ?? { sub: [] }));
      if (!open || others.length === 0 || !check || platform === 'generic') return [];
      const severity = open.hosting === 'shared' ? ('error' as const) : lower('error');
      const claim = check.claim ?? 'sub';
      return [
        {
          path: issuersPath,
          severity,
          message: `jwt:${claim} of one issuer is somebody else at the other`,
          admits: [`iss=${open.iss}, ${claim}=${fill(check.values[0] ?? '', 'x', 'x')}`],
        },
      ];
    }),
};

const everyToken: RoleRule = {
  id: 'CS009',
  kind: 'Role',
  severity: 'info',
  title: 'every token of an issuer of your own',
  example: 'condition: { StringEqual: { jwt:iss: [https://id.example.com] } }',
  fix: 'Say who is meant: a principal, a group, or another claim.',
  lint: (role) => {
    const open = role.issuers.filter(
      ({ platform, hosting }) => !profileOf(platform) || (platform === 'entra' && hosting !== 'shared'),
    );
    if (
      open.length === 0 ||
      namesRepositories(role) ||
      role.checks.some(({ binding, key }) => binding && key !== 'jwt:iss')
    )
      return [];
    return [
      {
        path: '/spec/condition',
        message: 'everybody who gets a token from the issuer is admitted',
        admits: ['anybody'],
      },
    ];
  },
};

export const tenancyRules: readonly RoleRule[] = [
  noTenant,
  openTenant,
  openOwner,
  openName,
  reusableWorkflow,
  namesOnly,
  sharedIdentity,
  everyToken,
];
