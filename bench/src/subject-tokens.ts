import { createPrivateKey, sign, type JsonWebKey } from 'node:crypto';
import { loadClaims, type LocalIssuer } from '@countersign/testing';
import { exportJWK } from 'jose';
import { repositoryOf, type BenchDocuments } from './documents';
import { AUDIENCE } from './exchange-form';

const LIFETIME_SECONDS = 3_000;
let minted = 0;

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/**
 * Signs as many different tokens of a GitHub job as asked for, RS256, good for fifty minutes.
 * Their repositories go through the Roles of `documents`, unless `repository` is one.
 */
export async function mintTokens(
  issuer: Pick<LocalIssuer, 'iss' | 'keys'>,
  count: number,
  documents: BenchDocuments,
  repository?: string,
): Promise<string[]> {
  const [issuerKey] = issuer.keys;
  if (issuerKey === undefined) throw new Error('the issuer has no key');
  const key = createPrivateKey({ key: (await exportJWK(issuerKey.privateKey)) as JsonWebKey, format: 'jwk' });
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    ...loadClaims('github-push-modern', now - 1),
    iss: issuer.iss,
    aud: AUDIENCE,
    exp: now + LIFETIME_SECONDS,
  };
  const header = encode({ alg: issuerKey.alg, typ: 'JWT', kid: issuerKey.kid });
  return Array.from({ length: count }, (_, number) => {
    const own = { repository_id: repository ?? repositoryOf(number, documents), jti: `${process.pid}-${minted++}` };
    const input = `${header}.${encode({ ...claims, ...own })}`;
    return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`;
  });
}
