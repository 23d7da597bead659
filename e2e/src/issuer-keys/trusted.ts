import type { IssuerStatus } from '@countersign/contracts';
import type { LocalIssuer, SignOptions, Stack } from '@countersign/testing';
import { admin, adminOnce, exchange, patiently, type Answer, type Target } from '../support/client';
import { githubClaims, jwtIssuer, policy, role, type Spec } from '../support/documents';

/** An issuer, and a Role that lets repository 1001 of it in. */
export const trusted = (name: string, iss: string, spec: Spec = {}): object[] => [
  jwtIssuer(name, iss, spec),
  policy('deploy', ['Function:Deploy'], ['*']),
  role(`${name}-deployers`, {
    policy: ['deploy'],
    condition: { StringEqual: { 'jwt:iss': [iss], 'jwt:repository_id': ['1001'] } },
  }),
];

/** A good token of this issuer, but for what the options say. */
export const tokenOf = (issuer: LocalIssuer, options?: SignOptions): Promise<string> =>
  issuer.sign(githubClaims(issuer.iss), options);

/** What a caller sees: `200`, or the status and the class of the refusal. */
export async function outcome(target: Pick<Target, 'url'>, token: Promise<string> | string): Promise<string> {
  const { status, body } = await exchange(target, await token);
  return status === 200 ? '200' : `${status} ${body.error_description ?? body.error}`;
}

/** The same of every replica of the exchange; each gets a token of its own. */
export const outcomes = (stack: Stack, token: () => Promise<string>): Promise<string[]> =>
  Promise.all(stack.replicasOf('exchange').map((replica) => outcome(replica, token())));

export const refresh = (target: Target, name: string): Promise<Answer> =>
  patiently(() => adminOnce(target, 'POST', `/v1/issuers/${name}/refresh`));

export async function statusOf(target: Target, name: string): Promise<IssuerStatus> {
  const { body } = await admin(target, 'GET', `/v1/issuers/${name}/status`);
  return body as IssuerStatus;
}
