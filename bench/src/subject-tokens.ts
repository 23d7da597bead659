import { createPrivateKey, sign, type JsonWebKey, type KeyObject } from 'node:crypto';
import { loadClaims, type LocalIssuer } from '@countersign/testing';
import { exportJWK } from 'jose';

import { repositoryOf, type BenchDocuments } from './documents';
/** What every subject token is addressed to. */
export const AUDIENCE = 'https://sts.example.com';

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Signs as many different tokens of a GitHub job as asked for, RS256, good for five minutes from now. */
export async function mintTokens(
  issuer: Pick<LocalIssuer, 'iss' | 'keys'>,
  count: number,
  documents: BenchDocuments,
): Promise<string[]> {
  const [issuerKey] = issuer.keys;
  if (issuerKey === undefined) throw new Error('the issuer has no key');
  const key: KeyObject = createPrivateKey({
    key: (await exportJWK(issuerKey.privateKey)) as JsonWebKey,
    format: 'jwk',
  });
  const now = Math.floor(Date.now() / 1000);
  const claims = { ...loadClaims('github-push-modern', now - 1), iss: issuer.iss, aud: AUDIENCE, exp: now + 3_000 };
  const header = encode({ alg: issuerKey.alg, typ: 'JWT', kid: issuerKey.kid });
  return Array.from({ length: count }, (_, number) => {
    const input = `${header}.${encode({ ...claims, repository_id: repositoryOf(number, documents), jti: `${process.pid}-${now}-${number}` })}`;
    return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`;
  });
}
