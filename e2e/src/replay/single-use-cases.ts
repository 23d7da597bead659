/// <reference types="jest" />
import { eventually, type LocalIssuer } from '@countersign/testing';
import { apply, eventsOf, type Target } from '../support/client';
import { githubClaims, jwtIssuer, policy, role } from '../support/documents';
import { retried, trust, use } from './replay-stack';

export interface SingleUseSystem {
  admin: Target;
  /** The replicas. */
  at: Target[];
  issuer: LocalIssuer;
}

const now = (): number => Math.floor(Date.now() / 1000);

/** n, the order of P-256: (r, s) and (r, n - s) are both signatures of the same text. */
const ORDER = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');

function otherSignature(token: string): string {
  const [header, payload, signature = ''] = token.split('.');
  const bytes = Buffer.from(signature, 'base64url');
  const s = ORDER - BigInt(`0x${bytes.subarray(32).toString('hex')}`);
  const twin = Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]);
  return `${header}.${payload}.${twin.toString('base64url')}`;
}

/** The last character of a signature of 64 bytes carries four bits that nobody reads. */
function spareBits(token: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return token.slice(0, -1) + alphabet[alphabet.indexOf(token.slice(-1)) + 1];
}

/** Declares what holds in every mode; `rounds` of 200 uses of one token at once (RPL-02). */
export function singleUseCases(mode: string, system: () => SingleUseSystem, rounds: number): void {
  describe(`a subject token is used once, in the ${mode} mode`, () => {
    const replica = (index: number): Target => system().at[index % system().at.length] as Target;
    const sign = (changes: Record<string, unknown> = {}): Promise<string> =>
      system().issuer.sign(githubClaims(system().issuer.iss, changes));
    /** What each of the tokens comes to, one after the other, each at another replica. */
    const inTurn = async (...tokens: string[]): Promise<string[]> => {
      const outcomes: string[] = [];
      for (const [index, token] of tokens.entries()) outcomes.push(await retried(replica(index), token));
      return outcomes;
    };

    it('the second use is refused at every replica (RPL-01)', async () => {
      const token = await sign();
      expect(await inTurn(token, token, token, token)).toEqual([
        'granted',
        'used before',
        'used before',
        'used before',
      ]);
    });

    it('the refusal of the second use is recorded, with a reference to the first (RPL-01)', async () => {
      const token = await sign();
      expect(await retried(replica(0), token)).toBe('granted');
      const { body } = await eventually(async () => {
        const answer = await use(replica(1), token);
        expect(answer.status).toBe(400);
        return answer;
      });
      const [refusal, ...more] = await eventsOf(system().admin, body.trace_id);
      expect(more).toEqual([]);
      expect(refusal?.data).toMatchObject({ outcome: 'denied', class: 'token already used', reason: 'replayed' });
      const [, traceId = ''] = /^first used in trace ([0-9a-f]{32})$/.exec(String(refusal?.data['detail'])) ?? [];
      const first = await eventsOf(system().admin, traceId);
      expect(first.map(({ type }) => type)).toEqual(['dev.countersign.exchange.granted.v1']);
    });

    it(`of 200 uses at once exactly one is granted, each of ${rounds} times (RPL-02)`, async () => {
      for (let round = 0; round < rounds; round++) {
        // An issuer of its own for each: so many refusals of one issuer's tokens would be limited.
        const iss = `https://round-${round}.test`;
        await trust(system().admin, { iss }, { jwks: system().issuer.jwks() }, `round-${round}`);
        const token = await sign({ iss });
        const outcomes = await Promise.all(Array.from({ length: 200 }, (__, index) => retried(replica(index), token)));
        expect(outcomes.filter((one) => one !== 'used before')).toEqual(['granted']);
      }
    }, 300_000);

    it('it stays used through the leeway after its end, also when first used there (RPL-03)', async () => {
      for (const age of [1, 30, 55]) {
        const token = await sign({ iat: now() - 300, exp: now() - age });
        expect(await inTurn(token, token, token)).toEqual(['granted', 'used before', 'used before']);
      }
    });

    it('without a jti the signed text is what counts (RPL-05)', async () => {
      const token = await sign({ jti: undefined });
      const other = await sign({ jti: undefined, run_id: '43' });
      expect(await inTurn(token, token, other, other)).toEqual(['granted', 'used before', 'granted', 'used before']);
      expect(await retried(replica(0), otherSignature(token))).toBe('used before');
    });

    it.each([
      ['a trailing space', (token: string) => `${token} `],
      ['padding', (token: string) => `${token}==`],
      ['a line break inside', (token: string) => token.replace('.', '.\n')],
      ['spare bits', spareBits],
      ['the other signature', otherSignature],
    ])('a twin is no other token: %s (RPL-06)', async (__, twinOf) => {
      const token = await sign();
      expect(await retried(replica(0), token)).toBe('granted');
      expect(await retried(replica(1), twinOf(token))).not.toBe('granted');
      expect(await retried(replica(2), token)).toBe('used before');
    });

    it('a jti belongs to its issuer, and the two never run together (RPL-07)', async () => {
      const jwks = { ...system().issuer.jwks() };
      const issuers = ['https://rpl.test/a', 'https://rpl.test/a:1'];
      for (const [index, iss] of issuers.entries()) await trust(system().admin, { iss }, { jwks }, `rpl-${index}`);
      const [first, second] = issuers.map((iss) => ({ iss }));
      const jti = crypto.randomUUID();
      const pairs = [
        await sign({ ...first, jti: `1:${jti}` }),
        await sign({ ...second, jti }),
        await sign({ ...first, jti }),
        await sign({ jti }),
      ];
      expect(await inTurn(...pairs, ...pairs)).toEqual([
        ...pairs.map(() => 'granted'),
        ...pairs.map(() => 'used before'),
      ]);
    });

    it('a jti is compared exactly, and is never read as a pattern or a command (RPL-08, BUS-11)', async () => {
      const stem = crypto.randomUUID();
      const jtis = [`${stem}a`, `${stem}A`, `${stem}a\u0301`, `*${stem}`, `{${stem}}`, `${stem}|`, `${stem}:`];
      const tokens = await Promise.all(jtis.map((jti) => sign({ jti })));
      expect(await inTurn(...tokens)).toEqual(jtis.map(() => 'granted'));
      expect(await inTurn(...tokens)).toEqual(jtis.map(() => 'used before'));
      const odd = [`${stem} `, `${stem}\r\nFLUSHALL`, 'x'.repeat(600)];
      expect(await inTurn(...(await Promise.all(odd.map((jti) => sign({ jti })))))).toEqual(odd.map(() => 'not valid'));
    });

    it('a refused token is not used up: it works once a role lets it in, and then never again (RPL-14)', async () => {
      const repository = `rpl-${crypto.randomUUID()}`;
      const token = await sign({ repository_id: repository });
      expect((await use(replica(0), token)).body).toMatchObject({ error_description: 'not authorized' });
      const condition = { StringEqual: { 'jwt:iss': [system().issuer.iss], 'jwt:repository_id': [repository] } };
      await apply(system().admin, [role('late', { policy: ['deploy-github'], condition })]);
      expect(await inTurn(token, token)).toEqual(['granted', 'used before']);
    });

    it('another audience is not another use (RPL-16)', async () => {
      const condition = { StringEqual: { 'jwt:iss': [system().issuer.iss], 'jwt:repository_id': ['rpl-16'] } };
      const audience = ['https://a.test', 'https://b.test'];
      await apply(system().admin, [role('two-audiences', { policy: ['deploy-github'], condition, audience })]);
      const token = await sign({ repository_id: 'rpl-16' });
      expect(await retried(replica(0), token, { resource: 'https://a.test' })).toBe('granted');
      expect(await retried(replica(1), token, { resource: 'https://b.test' })).toBe('used before');
      expect(await retried(replica(2), token, { audience: 'https://b.test' })).toBe('used before');
    });

    it('an issuer that allows it may have its tokens used again', async () => {
      const iss = 'https://reusable.test';
      const jwks = { ...system().issuer.jwks() };
      await apply(system().admin, [
        jwtIssuer('reusable', iss, { algorithms: ['ES256'], jwks, singleUse: false }),
        policy('deploy-reusable', ['Function:Deploy'], ['*']),
        role('reusable', { policy: ['deploy-reusable'], condition: { StringEqual: { 'jwt:iss': [iss] } } }),
      ]);
      const token = await sign({ iss });
      expect(await inTurn(token, token)).toEqual(['granted', 'granted']);
    });
  });
}
