import type { LocalIssuer } from '@countersign/testing';
import { AUDIENCE } from './subject-tokens';

/** What the system under load decides by. */
export interface BenchDocuments {
  /** How many Roles there are, each for one repository. */
  roles: number;
}

const PER_CALL = 500;
const API_VERSION = 'countersign.dev/v1';

/** The repository that the token of this number comes from: tokens go through all Roles in turn. */
export const repositoryOf = (number: number, { roles }: BenchDocuments): string => `${1_000 + (number % roles)}`;

function* documentsOf(issuer: Pick<LocalIssuer, 'iss'>, { roles }: BenchDocuments): Generator<object> {
  yield {
    apiVersion: API_VERSION,
    kind: 'JwtIssuer',
    metadata: { name: 'bench' },
    spec: { iss: issuer.iss, aud: [AUDIENCE], platform: 'github' },
  };
  yield {
    apiVersion: API_VERSION,
    kind: 'Policy',
    metadata: { name: 'deploy' },
    spec: { statement: [{ sid: 'deploy', effect: 'Allow', action: ['Deploy:*'], resource: ['shop:*'] }] },
  };
  for (let number = 0; number < roles; number++) {
    const condition = {
      StringEqual: {
        'jwt:iss': [issuer.iss],
        'jwt:repository_owner_id': ['123456'],
        'jwt:repository_id': [repositoryOf(number, { roles })],
        'jwt:ref': ['refs/heads/main'],
      },
    };
    yield {
      apiVersion: API_VERSION,
      kind: 'Role',
      metadata: { name: `deploy-${number}` },
      spec: { policy: ['deploy'], condition },
    };
  }
}

/** Applies an issuer, a Policy and the Roles. @throws Error with the answer of the server */
export async function applyDocuments(
  { url, adminToken }: { url: string; adminToken: string },
  issuer: Pick<LocalIssuer, 'iss'>,
  documents: BenchDocuments,
): Promise<void> {
  const all = [...documentsOf(issuer, documents)];
  for (let start = 0; start < all.length; start += PER_CALL) {
    const response = await fetch(`${url}/v1/apply`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(all.slice(start, start + PER_CALL)),
    });
    if (!response.ok) throw new Error(`apply: ${response.status} ${await response.text()}`);
  }
}
