import { setTimeout as delay } from 'node:timers/promises';
import { runSql, type LocalIssuer } from '@countersign/testing';
import { AUDIENCE } from './exchange-form';
import type { OwnTarget } from './target';

/** What the system under load decides by. */
export interface BenchDocuments {
  /** How many Roles there are, each for the jobs of one repository. */
  roles: number;
  /** How many of those are there already; none unless said. */
  from?: number;
  /** How many Roles there are beside, each for one user that an enforcement point vouches for. */
  users?: number;
}

type Issuer = Pick<LocalIssuer, 'iss'>;

/** A request may hold 1,000 documents. */
const PER_CALL = 1_000;
const MOST_BY_CALLS = 5_000;
const FIRST_REPOSITORY = 1_000;
const TRIES = 20;
const API_VERSION = 'countersign.dev/v1';

/** The repository that the token of this number comes from: tokens go through all Roles in turn. */
export const repositoryOf = (number: number, { roles }: BenchDocuments): string =>
  `${FIRST_REPOSITORY + (number % roles)}`;

/** The repository of the enforcement point, whose tokens may ask for decisions. */
export const GATEWAY = '999';

/** The same with users. */
export const userOf = (number: number, users: number): string => `user-${number % users}`;

const document = (kind: string, name: string, spec: object): object => ({
  apiVersion: API_VERSION,
  kind,
  metadata: { name },
  spec,
});

const policy = (name: string, action: string, resource: string): object =>
  document('Policy', name, { statement: [{ sid: name, effect: 'Allow', action: [action], resource: [resource] }] });

const jobRole = (name: string, { iss }: Issuer, policyName: string, repository: string): object =>
  document('Role', name, {
    policy: [policyName],
    condition: {
      StringEqual: {
        'jwt:iss': [iss],
        'jwt:repository_owner_id': ['123456'],
        'jwt:repository_id': [repository],
        'jwt:ref': ['refs/heads/main'],
      },
    },
  });

const userRole = (name: string): object =>
  document('Role', name, {
    policy: ['read'],
    condition: { StringEqual: { 'subject:type': ['user'], 'subject:id': [name] } },
  });

const always = (issuer: Issuer): object[] => [
  document('JwtIssuer', 'bench', { iss: issuer.iss, aud: [AUDIENCE], platform: 'github' }),
  policy('deploy', 'Deploy:*', 'shop:*'),
  policy('read', 'Report:Read', 'report:*'),
  policy('gateway', 'Decision:Evaluate', 'countersign:*'),
  jobRole('gateway', issuer, 'gateway', GATEWAY),
];

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);

type Admin = Pick<OwnTarget, 'adminUrl' | 'adminToken'>;
type Place = Admin & Pick<OwnTarget, 'databaseUrl'>;

/** A call with the admin token. @throws Error with the answer when it is refused */
export async function admin(target: Admin, method: string, path: string, body?: object): Promise<unknown> {
  for (let tries = 1; ; tries++) {
    const response = await fetch(target.adminUrl + path, {
      method,
      headers: { authorization: `Bearer ${target.adminToken}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (response.ok) return text === '' ? null : (JSON.parse(text) as unknown);
    if (response.status !== 503 || tries === TRIES) throw new Error(`${path}: ${response.status} ${text}`);
    await delay(500);
  }
}

/**
 * Applies an issuer, Policies and the Roles. Tens of thousands would take minutes in steps of a thousand: so many are
 * written into the database, where policy finds them some seconds later.
 * @throws Error with the answer of the server
 */
export async function applyDocuments(target: Place, issuer: Issuer, documents: BenchDocuments): Promise<void> {
  const { roles, from = 0, users = 0 } = documents;
  const isMuch = roles - from + users > MOST_BY_CALLS;
  const jobs = isMuch
    ? []
    : range(from, roles).map((n) => jobRole(`deploy-${n}`, issuer, 'deploy', repositoryOf(n, documents)));
  const people = isMuch ? [] : range(0, users).map((n) => userRole(userOf(n, users)));
  const all = [...always(issuer), ...jobs, ...people];
  for (let start = 0; start < all.length; start += PER_CALL)
    await admin(target, 'POST', '/v1/apply', all.slice(start, start + PER_CALL));
  if (!isMuch) return;
  await runSql(
    target.databaseUrl,
    insertRoles(jobRole('deploy-{n}', issuer, 'deploy', '{repository}'), from, roles),
    insertRoles(userRole('user-{n}'), 0, users),
  );
}

/** One revision with a Role for each number. */
const insertRoles = (template: object, from: number, to: number): string => `
  WITH revision AS (
    INSERT INTO policy.revision (author, source, summary, changes)
    VALUES ('bench', 'api', '{"created": ${to - from}, "updated": 0, "deleted": 0}', '[]') RETURNING number
  ), role AS (
    SELECT n, replace(replace('${JSON.stringify(template).replaceAll("'", "''")}', '{n}', n::text),
      '{repository}', (n + ${FIRST_REPOSITORY})::text)::json AS raw
    FROM generate_series(${from}, ${to - 1}) n
  )
  INSERT INTO policy.document (kind, name, api_version, owner, raw, etag, revision)
  SELECT 'Role', raw->'metadata'->>'name', '${API_VERSION}', 'api', raw, md5(raw::text), number FROM role, revision`;
