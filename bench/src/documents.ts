import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LocalIssuer } from '@countersign/testing';
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

/** A request may hold 1,000 documents, and so may a file. */
const PER_CALL = 1_000;
const MOST_BY_CALLS = 5_000;
const TRIES = 20;
const API_VERSION = 'countersign.dev/v1';

/** The repository that the token of this number comes from: tokens go through all Roles in turn. */
export const repositoryOf = (number: number, { roles }: BenchDocuments): string => `${1_000 + (number % roles)}`;

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

function* documentsOf(issuer: Issuer, { roles, from = 0, users = 0 }: BenchDocuments): Generator<object> {
  yield document('JwtIssuer', 'bench', { iss: issuer.iss, aud: [AUDIENCE], platform: 'github' });
  yield policy('deploy', 'Deploy:*', 'shop:*');
  yield policy('read', 'Report:Read', 'report:*');
  yield policy('gateway', 'Decision:Evaluate', 'countersign:*');
  yield jobRole('gateway', issuer, 'gateway', GATEWAY);
  for (let number = from; number < roles; number++)
    yield jobRole(`deploy-${number}`, issuer, 'deploy', repositoryOf(number, { roles }));
  for (let number = 0; number < users; number++) yield userRole(userOf(number, users));
}

type Admin = Pick<OwnTarget, 'adminUrl' | 'adminToken'>;
type Place = Admin & Pick<OwnTarget, 'resourcesDir'>;

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
 * Applies an issuer, Policies and the Roles. Each call looks at all documents that there are, so many of them go into
 * the folder that policy follows, as a checkout would: then they come into force a little later.
 * @throws Error with the answer of the server
 */
export async function applyDocuments(target: Place, issuer: Issuer, documents: BenchDocuments): Promise<void> {
  const all = [...documentsOf(issuer, documents)];
  const viaFolder = all.length > MOST_BY_CALLS ? all.splice(PER_CALL) : [];
  for (let start = 0; start < all.length; start += PER_CALL)
    await admin(target, 'POST', '/v1/apply', all.slice(start, start + PER_CALL));
  for (let start = 0; start < viaFolder.length; start += PER_CALL)
    await writeFile(
      join(target.resourcesDir, `${start}.json`),
      JSON.stringify(viaFolder.slice(start, start + PER_CALL)),
    );
}
