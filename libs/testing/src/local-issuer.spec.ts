import { createRemoteJWKSet, jwtVerify } from 'jose';
import { claimFiles, claimSets, loadClaims } from './claims';
import { startLocalIssuer, type IssuerAlgorithm, type LocalIssuer } from './local-issuer';
import type { IssuerFailure } from './local-issuer-failures';

let issuer: LocalIssuer;
afterEach(() => issuer.stop());

const discoveryOf = async ({ url }: LocalIssuer): Promise<{ issuer: string; jwks_uri: string }> =>
  (await fetch(`${url}/.well-known/openid-configuration`)).json() as never;

describe('a local issuer', () => {
  test.each<IssuerAlgorithm>(['RS256', 'ES256', 'ES384', 'EdDSA'])(
    'signs with %s what its keys verify',
    async (alg) => {
      issuer = await startLocalIssuer({ algorithms: [alg], iss: 'https://token.actions.githubusercontent.com' });
      const metadata = await discoveryOf(issuer);
      expect(metadata.issuer).toBe('https://token.actions.githubusercontent.com');
      const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));
      const { payload, protectedHeader } = await jwtVerify(await issuer.sign({ sub: 's' }), keys);
      expect(payload).toEqual({ iss: metadata.issuer, sub: 's' });
      expect(protectedHeader).toEqual({ alg, typ: 'JWT', kid: issuer.keys[0]?.kid });
      expect(issuer.requests).toEqual({ discovery: 1, jwks: 1 });
    },
  );

  test('publishes a new key beside the old ones, or instead of them', async () => {
    issuer = await startLocalIssuer();
    const [old] = issuer.keys;
    const second = await issuer.rotate();
    expect(issuer.jwks().keys.map(({ kid }) => kid)).toEqual([second.kid, old?.kid]);
    const third = await issuer.rotate({ dropOld: true });
    expect(issuer.jwks().keys.map(({ kid }) => kid)).toEqual([third.kid]);
  });

  test('signs without kid, and with another type', async () => {
    issuer = await startLocalIssuer();
    const token = await issuer.sign({ sub: 's' }, { kid: null, header: { typ: 'at+jwt' } });
    const header: unknown = JSON.parse(Buffer.from(token.split('.')[0] as string, 'base64url').toString());
    expect(header).toEqual({ typ: 'at+jwt', alg: 'RS256' });
  });

  const failures: [IssuerFailure, number | 'error'][] = [
    [{ status: 503 }, 503],
    [{ redirect: 'http://127.0.0.1/' }, 302],
    ['cut', 'error'],
    ['not-json', 200],
    ['huge', 200],
    ['empty', 200],
  ];
  test.each(failures)('fails as told (%j), for the document told, until told otherwise', async (failure, expected) => {
    issuer = await startLocalIssuer();
    issuer.fail(failure, 'jwks');
    const outcome = await fetch(`${issuer.url}/jwks`, { redirect: 'manual' })
      .then(async (response) => (await response.text(), response.status))
      .catch(() => 'error');
    expect(outcome).toBe(expected);
    expect((await discoveryOf(issuer)).issuer).toBe(issuer.url);
    issuer.fail(null);
    expect(await (await fetch(`${issuer.url}/jwks`)).json()).toEqual(issuer.jwks());
  });

  test('every recorded claim set can be signed and moved to the present', async () => {
    const now = 2_000_000_000;
    issuer = await startLocalIssuer();
    expect(claimFiles().sort()).toEqual(
      claimSets()
        .map(({ file }) => file)
        .sort(),
    );
    for (const { file, iss } of claimSets()) {
      const recorded = loadClaims(file);
      const claims = loadClaims(file, now);
      expect([claims.iss, claims.iat ?? claims.nbf]).toEqual([iss, now]);
      expect(Number(claims.exp) - now).toBe(Number(recorded.exp) - Number(recorded.iat ?? recorded.nbf));
      expect(await issuer.sign(claims)).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    }
  });
});
