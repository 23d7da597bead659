/// <reference types="jest" />
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { eventually, startLocalIssuer, type LocalIssuer } from '@countersign/testing';
import { decodeProtectedHeader } from 'jose';
import { admin, apply, claimsOf, exchange, type Answer } from '../support/client';
import { githubClaims, jwtIssuer, policy, role } from '../support/documents';
import type { EmbeddedSystem } from '../support/embedded';

const IDENTITIES = 50;
const EXCHANGES = 1_000;
const AT_ONCE = 50;
/** All that a token has of which nothing was asked (docs/token-service.md). */
const CLAIMS = 'iss sub aud exp iat nbf jti client_id scope roles policy policy_revision fed'.split(' ');
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Cases for an embedded system that nobody stops; `given` is it, once it runs. */
export function grantedCases(given: () => EmbeddedSystem): void {
  describe('200 of the token endpoint', () => {
    let system: EmbeddedSystem;
    let issuer: LocalIssuer;

    const claimsFor = (identity: number, changes: Record<string, unknown> = {}) =>
      githubClaims(issuer.iss, {
        repository_id: String(identity),
        repository: `acme/repo-${identity}`,
        sub: `repo:acme/repo-${identity}:ref:refs/heads/main`,
        run_id: `run-${identity}`,
        ...changes,
      });

    /** A busy machine may answer 503; the same token is good for the retry. */
    const untilGranted = (subjectToken: string): Promise<Answer> =>
      eventually(async () => {
        const answer = await exchange(system, subjectToken);
        expect(answer.status).toBe(200);
        return answer;
      });

    /** An access token, asked for under another name of ours: `fetch` would not send it. */
    async function exchangeAs(host: string, subjectToken: string): Promise<string> {
      const form = new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: subjectToken,
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      });
      const headers = { host, 'content-type': 'application/x-www-form-urlencoded' };
      const outgoing = request(`${system.url}/oauth2/token`, { method: 'POST', headers }).end(form.toString());
      const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
      const answer = JSON.parse((await response.toArray()).join('')) as { access_token: string };
      return answer.access_token;
    }

    /** `jti` of every granted exchange in the trail, with its subject. */
    async function recordedSubjects(): Promise<Map<string, string>> {
      const subjects = new Map<string, string>();
      let cursor: string | null = '';
      while (cursor !== null) {
        const query: string = `type=dev.countersign.exchange.granted.v1&limit=500${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
        const { body } = await admin(system, 'GET', `/v1/events?${query}`);
        const items = body.items as { subject: string; data: { token: { jti: string } } }[];
        for (const { subject, data } of items) subjects.set(data.token.jti, subject);
        cursor = body.nextCursor as string | null;
      }
      return subjects;
    }

    beforeAll(async () => {
      system = given();
      issuer = await startLocalIssuer();
      const roles = Array.from({ length: IDENTITIES }, (_, identity) =>
        role(`role-${identity}`, {
          policy: ['deploy'],
          condition: { StringEqual: { 'jwt:iss': [issuer.iss], 'jwt:repository_id': [String(identity)] } },
        }),
      );
      await apply(system, [
        jwtIssuer('github', issuer.iss, { platform: 'github' }),
        policy('deploy', ['Function:Deploy'], ['${jwt:repository}:*']),
        ...roles,
      ]);
    });

    afterAll(() => issuer?.stop());

    it('holds what the standards ask for and nothing else', async () => {
      const { status, body, headers } = await exchange(system, await issuer.sign(claimsFor(1)), {
        scope: 'role:role-1',
      });
      expect({ status, body: { ...body, access_token: '' } }).toEqual({
        status: 200,
        body: {
          access_token: '',
          issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          token_type: 'Bearer',
          expires_in: 900,
          scope: 'role:role-1',
        },
      });
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('content-type')).toMatch(/^application\/json/);
      const { kid, ...header } = decodeProtectedHeader(body.access_token);
      expect(header).toEqual({ alg: 'ES256', typ: 'at+jwt' });
      const { keys } = (await (await fetch(`${system.url}/oauth2/jwks`)).json()) as { keys: { kid: string }[] };
      expect(keys.map((key) => key.kid)).toContain(kid);
    });

    it('is recorded so that the token is told from any other, and is not to be had from the event (AUD-07)', async () => {
      const subjectToken = await issuer.sign(claimsFor(3));
      const issued = (await untilGranted(subjectToken)).body.access_token as string;
      const { jti, exp } = claimsOf(issued) as { jti: string; exp: number };
      const subject = encodeURIComponent('github:repo:acme/repo-3:ref:refs/heads/main');
      const event = await eventually(async () => {
        const { items } = (await admin(system, 'GET', `/v1/events?limit=1&subject=${subject}`)).body;
        expect(items[0].data.token.jti).toBe(jti);
        return items[0];
      });
      const sha256 = createHash('sha256').update(issued).digest('hex');
      expect(event.data.token).toEqual({ jti, exp: new Date(exp * 1000).toISOString(), aud: [system.url], sha256 });
      const parts = [issued, subjectToken].flatMap((token) => token.split('.'));
      expect(parts.map((part) => JSON.stringify(event).includes(part))).toEqual(Array(6).fill(false));
    });

    it('never mixes up who asks at the same time, nor does the trail (STS-19, STS-24)', async () => {
      const issued = new Map<string, string>();
      const personal = { email: 'ann@example.com', email_verified: true, name: 'ann' };
      const { keys } = (await (await fetch(`${system.url}/oauth2/jwks`)).json()) as { keys: { kid: string }[] };
      const kid = expect.stringMatching(new RegExp(`^(${keys.map((key) => key.kid).join('|')})$`)) as string;
      for (let sent = 0; sent < EXCHANGES; sent += AT_ONCE) {
        const batch = Array.from({ length: AT_ONCE }, (_, i) => (sent + i) % IDENTITIES);
        await Promise.all(
          batch.map(async (identity) => {
            const { body } = await untilGranted(await issuer.sign(claimsFor(identity, personal)));
            const token = claimsOf(body.access_token) as { jti: string; sub: string };
            expect(decodeProtectedHeader(body.access_token)).toEqual({ alg: 'ES256', typ: 'at+jwt', kid });
            expect(Object.keys(token).filter((name) => !CLAIMS.includes(name))).toEqual([]);
            expect(token.jti).toMatch(UUID);
            expect(JSON.stringify(token)).not.toContain('ann');
            expect(token).toMatchObject({
              sub: `github:repo:acme/repo-${identity}:ref:refs/heads/main`,
              aud: system.url,
              roles: [`role-${identity}`],
              fed: { claims: { repository: `acme/repo-${identity}`, run_id: `run-${identity}` } },
            });
            issued.set(token.jti, token.sub);
          }),
        );
      }
      expect(issued.size).toBe(EXCHANGES);
      await eventually(async () => {
        const recorded = await recordedSubjects();
        for (const [jti, subject] of issued) expect(recorded.get(jti)).toBe(subject);
      });
    });

    it('does not depend on what the request says about our address (STS-20)', async () => {
      const token = await issuer.sign(claimsFor(2));
      const spoofed = {
        'x-forwarded-host': 'evil.test',
        'x-forwarded-proto': 'http',
        'x-forwarded-for': '10.0.0.1',
        forwarded: 'host=evil.test;for=10.0.0.1',
      };
      const { body } = await exchange(system, token, {}, spoofed);
      expect(claimsOf(body.access_token)).toMatchObject({ iss: system.url, aud: system.url });
      const { items } = (await admin(system, 'GET', '/v1/events?limit=1')).body;
      expect(items[0].data.sourceIp).toBe('127.0.0.1');
      const toAnotherHost = await exchangeAs('evil.test', await issuer.sign(claimsFor(2)));
      expect(claimsOf(toAnotherHost)).toMatchObject({ iss: system.url, aud: system.url });
    });
  });
}
