/// <reference types="jest" />
import { createHash, randomUUID } from 'node:crypto';
import { startLocalIssuer, type LocalIssuer } from '@countersign/testing';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import { admin, apply, claimsOf, exchange, type Answer } from '../support/client';
import { githubClaims, jwtIssuer, policy, role } from '../support/documents';
import type { EmbeddedSystem } from '../support/embedded';

interface ClientKey {
  privateKey: CryptoKey;
  jwk: JWK;
  jkt: string;
}

async function clientKey(alg = 'ES256'): Promise<ClientKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(publicKey);
  return { privateKey, jwk, jkt: await calculateJwkThumbprint(jwk) };
}

const now = (): number => Math.floor(Date.now() / 1000);

/** A proof as a client makes it, with members of header and claims replaced. */
function proofOf(
  key: ClientKey,
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
): Promise<string> {
  return new SignJWT({ jti: randomUUID(), iat: now(), ...claims })
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: key.jwk, ...header })
    .sign(key.privateKey);
}

/** Cases for an embedded system that nobody stops; `given` is it, once it runs. */
export function dpopCases(given: () => EmbeddedSystem): void {
  describe('proof of possession (RFC 9449)', () => {
    let issuer: LocalIssuer;
    let system: EmbeddedSystem;
    let key: ClientKey;

    const sign = (): Promise<string> => issuer.sign(githubClaims(issuer.iss));
    const endpoint = (): Record<string, unknown> => ({ htm: 'POST', htu: `${system.url}/oauth2/token` });
    const withProof = async (dpop: string, token?: string): Promise<Answer> =>
      exchange(system, token ?? (await sign()), {}, { dpop });
    const refused = ({ status, body }: Answer) => ({ status, error: body.error });
    const boundToken = async (): Promise<string> =>
      (await withProof(await proofOf(key, endpoint()))).body.access_token as string;

    beforeAll(async () => {
      system = given();
      [issuer, key] = await Promise.all([startLocalIssuer(), clientKey()]);
      await apply(system, [
        jwtIssuer('github', issuer.iss),
        policy('deploy', ['Function:Deploy'], ['staging:*']),
        policy('audit', ['Audit:Read'], ['countersign:*']),
        role('deployers', {
          policy: ['deploy', 'audit'],
          condition: { StringEqual: { 'jwt:iss': [issuer.iss], 'jwt:repository_id': ['1001'] } },
        }),
      ]);
    });

    afterAll(() => issuer?.stop());

    it('binds the token to the key, and hands out a nonce', async () => {
      const { status, body, headers } = await withProof(await proofOf(key, endpoint()));
      expect({ status, type: body.token_type }).toEqual({ status: 200, type: 'DPoP' });
      expect(claimsOf(body.access_token).cnf).toEqual({ jkt: key.jkt });
      const nonce = headers.get('dpop-nonce');
      expect(await withProof(await proofOf(key, { ...endpoint(), nonce }))).toMatchObject({ status: 200 });
    });

    it('without a proof gives a bearer token', async () => {
      const { body } = await exchange(system, await sign());
      expect(body.token_type).toBe('Bearer');
      expect(claimsOf(body.access_token)).not.toHaveProperty('cnf');
    });

    it('takes a proof once', async () => {
      const proof = await proofOf(key, endpoint());
      expect((await withProof(proof)).status).toBe(200);
      expect(refused(await withProof(proof))).toEqual({ status: 400, error: 'invalid_dpop_proof' });
    });

    it('asks for a fresh nonce when the one in the proof is not ours', async () => {
      const token = await sign();
      const stale = await withProof(await proofOf(key, { ...endpoint(), nonce: 'not-ours' }), token);
      expect(stale).toMatchObject({ status: 400, body: { error: 'use_dpop_nonce' } });
      const nonce = stale.headers.get('dpop-nonce');
      expect((await withProof(await proofOf(key, { ...endpoint(), nonce }), token)).status).toBe(200);
    });

    it.each<[string, () => Promise<string>]>([
      ['for another method', () => proofOf(key, { ...endpoint(), htm: 'GET' })],
      ['for another URL', () => proofOf(key, { ...endpoint(), htu: 'https://evil.test/oauth2/token' })],
      ['from two minutes ago', () => proofOf(key, { ...endpoint(), iat: now() - 120 })],
      ['from the future', () => proofOf(key, { ...endpoint(), iat: now() + 120 })],
      ['without jti', () => proofOf(key, { ...endpoint(), jti: undefined })],
      ['of another typ', () => proofOf(key, endpoint(), { typ: 'JWT' })],
      ['with a private key in it', async () => proofOf(key, endpoint(), { jwk: await exportJWK(key.privateKey) })],
      ['with the key of somebody else', async () => proofOf(key, endpoint(), { jwk: (await clientKey()).jwk })],
      ['without a key', () => proofOf(key, endpoint(), { jwk: undefined })],
      ['that is none', async () => 'nonsense'],
      ['twice in one header', async () => `${await proofOf(key, endpoint())}, ${await proofOf(key, endpoint())}`],
    ])('refuses a proof %s, and the subject token is not used up', async (_, make) => {
      const token = await sign();
      expect(refused(await withProof(await make(), token))).toEqual({ status: 400, error: 'invalid_dpop_proof' });
      expect((await exchange(system, token)).status).toBe(200);
    });

    describe('a bound token', () => {
      const ath = (token: string): string => createHash('sha256').update(token).digest('base64url');
      const adminUrl = (): Record<string, unknown> => ({ htm: 'GET', htu: `${system.url}/v1/events` });
      const callAdmin = (authorization: string, dpop?: string): Promise<number> =>
        fetch(`${system.url}/v1/events?limit=1`, {
          headers: { authorization, ...(dpop === undefined ? {} : { dpop }) },
        }).then(({ status }) => status);

      it('is narrowed only by whoever has its key', async () => {
        const token = await boundToken();
        expect(await exchange(system, token)).toMatchObject({
          status: 400,
          body: { error_description: 'token not valid' },
        });
        const stolen = await withProof(await proofOf(await clientKey(), endpoint()), token);
        expect(stolen).toMatchObject({ status: 400, body: { error_description: 'token not valid' } });
        const narrowed = await withProof(await proofOf(key, endpoint()), token);
        expect(claimsOf(narrowed.body.access_token).cnf).toEqual({ jkt: key.jkt });
      });

      it('administers only with a proof for this call and this token', async () => {
        const token = await boundToken();
        const proof = () => proofOf(key, { ...adminUrl(), ath: ath(token) });
        const once = await proof();
        expect(await callAdmin(`DPoP ${token}`, once)).toBe(200);
        expect(await callAdmin(`DPoP ${token}`, once)).toBe(401);
        expect(await callAdmin(`Bearer ${token}`)).toBe(401);
        expect(await callAdmin(`Bearer ${token}`, await proof())).toBe(401);
        expect(await callAdmin(`DPoP ${token}`, await proofOf(key, adminUrl()))).toBe(401);
        expect(
          await callAdmin(`DPoP ${token}`, await proofOf(await clientKey(), { ...adminUrl(), ath: ath(token) })),
        ).toBe(401);
      });

      it('is denied by a decision unless the enforcement point passes on a proof that holds', async () => {
        const token = await boundToken();
        const call = { method: 'POST', url: 'https://gateway.test/deploy' };
        const decide = async (dpop?: object): Promise<boolean> =>
          (
            await admin(system, 'POST', '/access/v1/evaluation', {
              subject: { type: 'access_token', id: token },
              action: { name: 'Function:Deploy' },
              resource: { type: 'staging', id: 'web' },
              context: dpop === undefined ? {} : { dpop },
            })
          ).body.decision as boolean;
        const proof = await proofOf(key, { htm: call.method, htu: call.url, ath: ath(token) });
        expect(await decide({ proof, ...call })).toBe(true);
        expect(await decide()).toBe(false);
        expect(await decide({ proof, ...call, url: 'https://other.test/deploy' })).toBe(false);
        const stolen = await proofOf(await clientKey(), { htm: call.method, htu: call.url, ath: ath(token) });
        expect(await decide({ proof: stolen, ...call })).toBe(false);
      });
    });
  });
}
