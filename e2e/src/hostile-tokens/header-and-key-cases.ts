/// <reference types="jest" />
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { KeyObject, sign, webcrypto } from 'node:crypto';
import {
  eventually,
  generateIssuerKey,
  startLocalIssuer,
  type IssuerKey,
  type LocalIssuer,
} from '@countersign/testing';
import { accepted, AttackedSystem, refused } from '../support/attacked-system';
import { admin, apply, exchange } from '../support/client';
import { jwtIssuer } from '../support/documents';
import { encode, forge, hmacToken, publicPem, signText, withSignature } from '../support/forge';
import type { EmbeddedSystem } from '../support/embedded';

/** Cases for an embedded system that nobody stops; `given` is it, once it runs. */
export function headerAndKeyCases(given: () => EmbeddedSystem): void {
  type Reason = Parameters<typeof refused>[0];

  let attacked: AttackedSystem;
  let stranger: IssuerKey;
  let smallOrder: IssuerKey;
  let weak: IssuerKey;
  let cubic: IssuerKey;

  /** RSA keys that jose would not make. */
  async function rsaKey(kid: string, modulusLength: number, exponent: number[]): Promise<IssuerKey> {
    const pair = await webcrypto.subtle.generateKey(
      { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength, publicExponent: new Uint8Array(exponent) },
      true,
      ['sign', 'verify'],
    );
    const { n, e } = await webcrypto.subtle.exportKey('jwk', pair.publicKey);
    return { kid, alg: 'RS256', privateKey: pair.privateKey, publicJwk: { kty: 'RSA', kid, n: `${n}`, e: `${e}` } };
  }

  beforeAll(async () => {
    [stranger, weak, cubic] = await Promise.all([
      generateIssuerKey('RS256', 'x1'),
      rsaKey('w1', 1024, [1, 0, 1]),
      rsaKey('w3', 2048, [3]),
    ]);
    const x = encode(Buffer.from(`01${'00'.repeat(31)}`, 'hex'));
    const published = { kty: 'OKP', crv: 'Ed25519', kid: 'so', x };
    smallOrder = { ...(await generateIssuerKey('EdDSA', 'so')), publicJwk: published };
    attacked = await AttackedSystem.on(given(), { keys: [smallOrder, weak, cubic] });
  });

  afterAll(() => attacked?.stop());

  const rs256 = { alg: 'RS256', kid: 'a1', typ: 'JWT' };
  const es256 = { alg: 'ES256', kid: 'a2', typ: 'JWT' };

  describe('the algorithm is the one of the key, and asymmetric', () => {
    it.each([
      ...['none', 'None', 'NONE', 'nOnE', '', null, undefined, ['RS256'], 'RS256 ', 'rs256', {}, 1, 'constructor'],
    ])('alg %j is refused (JWT-02)', async (alg) => {
      const token = forge({ ...rs256, alg }, attacked.claims(), attacked.key('a1'));
      expect(await attacked.present(token)).toEqual(refused('alg'));
    });

    it.each([
      ['the public key of the issuer (JWT-03)', () => publicPem(attacked.key('a1'))],
      ['nothing (JWT-05)', () => ''],
      ['one NUL', () => '\u0000'],
      ['the kid', () => 'a1'],
    ])('HS256 keyed with %s is refused', async (_, secret) => {
      const token = hmacToken({ ...rs256, alg: 'HS256' }, attacked.claims(), secret());
      expect(await attacked.present(token)).toEqual(refused('alg'));
    });

    it.each<[string, Reason]>([
      ['PS256', 'key_alg'],
      ['RS512', 'alg'],
    ])('a valid %s signature of a key declared for RS256 is refused (JWT-06)', async (alg, reason) => {
      const token = forge({ ...rs256, alg }, attacked.claims(), attacked.key('a1'), alg);
      expect(await attacked.present(token)).toEqual(refused(reason));
    });

    it('ES256 over a key of another curve is refused (JWT-07)', async () => {
      const token = forge({ ...es256, kid: 'a4' }, attacked.claims(), attacked.key('a4'), 'ES256');
      expect(await attacked.present(token)).toEqual(refused('verify'));
    });

    it('an algorithm of another key type is refused', async () => {
      const token = forge({ ...rs256, kid: 'a2' }, attacked.claims(), attacked.key('a2'), 'ES256');
      expect(await attacked.present(token)).toEqual(refused('key_alg'));
    });
  });

  describe('the signature is one of the key that kid names', () => {
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const scalars = { 0: 0n, 1: 1n, 'n-1': order - 1n, n: order };
    const pairs = Object.entries(scalars).flatMap(([r, left]) =>
      Object.entries(scalars).map(([s, right]): [string, string, bigint[]] => [r, s, [left, right]]),
    );

    it.each(pairs)('ES256 with r=%s, s=%s is refused (JWT-08)', async (_r, _s, values) => {
      const bytes = Buffer.from(values.map((value) => value.toString(16).padStart(64, '0')).join(''), 'hex');
      expect(await attacked.present(withSignature(es256, attacked.claims(), bytes))).toEqual(refused('verify'));
    });

    it.each<[string, (text: string) => Uint8Array]>([
      ['in DER (JWT-09)', (text) => sign('sha256', Buffer.from(text), KeyObject.from(attacked.key('a2').privateKey))],
      ['with two bytes more', (text) => Buffer.concat([signText(text, attacked.key('a2')), Buffer.alloc(2)])],
      ['with one byte less', (text) => signText(text, attacked.key('a2')).subarray(1)],
      ['of one byte', () => Buffer.alloc(1)],
      ['of another issuer', (text) => signText(text, stranger, 'RS256')],
      ['over the claims alone', (text) => signText(text.split('.')[1] ?? '', attacked.key('a2'))],
    ])('an ES256 signature %s is refused', async (_, bytes) => {
      const claims = attacked.claims();
      const text = `${encode(es256)}.${encode(claims)}`;
      expect(await attacked.present(withSignature(es256, claims, bytes(text)))).toEqual(refused('verify'));
    });

    it.each([
      ['a known kid over another key (JWT-47)', () => forge(rs256, attacked.claims(), stranger)],
      ['claims changed after signing', () => changed(attacked.token({}, {}, 'a1'))],
      [
        'a header changed after signing',
        () => attacked.token({}, {}, 'a1').replace(/^[^.]+/, encode({ ...rs256, x: 1 })),
      ],
    ])('%s is refused', async (_, token) => {
      expect(await attacked.present(token())).toEqual(refused('verify'));
    });

    const changed = (token: string): string =>
      token.replace(/\.[^.]+\./, `.${encode(attacked.claims({ repository: 'evil/x' }))}.`);

    it('the twin of a used ES256 signature is the same use (RPL-06)', async () => {
      const token = attacked.token();
      expect(await attacked.present(token)).toEqual(accepted);
      const [head, payload, signature = ''] = token.split('.');
      const bytes = Buffer.from(signature, 'base64url').toString('hex');
      const s = (order - BigInt(`0x${bytes.slice(64)}`)).toString(16).padStart(64, '0');
      const twin = `${head}.${payload}.${Buffer.from(bytes.slice(0, 64) + s, 'hex').toString('base64url')}`;
      expect(twin).not.toBe(token);
      expect(await attacked.present(twin)).toMatchObject({
        status: 400,
        body: { error_description: 'token already used' },
      });
    });
  });

  describe('keys that an issuer should not have published verify nothing', () => {
    it('an Ed25519 key of small order, under which one signature fits all (JWT-10)', async () => {
      const universal = Buffer.from(`01${'00'.repeat(63)}`, 'hex');
      const token = withSignature({ alg: 'EdDSA', kid: 'so' }, attacked.claims(), universal);
      expect(await attacked.present(token)).toEqual(refused('key_small_order'));
    });

    it('an RSA key of 1024 bits (JWT-11)', async () => {
      expect(await attacked.present(forge({ ...rs256, kid: 'w1' }, attacked.claims(), weak))).toEqual(
        refused('key_size'),
      );
    });

    it('an RSA key with exponent 3', async () => {
      const token = forge({ ...rs256, kid: 'w3' }, attacked.claims(), cubic);
      expect(await attacked.present(token)).toEqual(refused('key_exponent'));
    });

    it('the status of the issuer names them, beside the good ones, and an event told of them (JWT-10)', async () => {
      const { body } = await admin(attacked.system, 'GET', '/v1/issuers/github/status');
      const rejected = [
        { kid: 'so', reason: 'key_small_order' },
        { kid: 'w1', reason: 'key_size' },
        { kid: 'w3', reason: 'key_exponent' },
      ];
      expect(body.rejectedKeys).toEqual(expect.arrayContaining(rejected));
      expect(body.keys.map(({ kid }: { kid: string }) => kid)).toEqual(['a1', 'a2', 'a3', 'a4']);
      const { iss } = attacked.issuer;
      await eventually(async () => {
        const found = await admin(attacked.system, 'GET', '/v1/events?type=dev.countersign.issuer.keys_rejected.v1');
        const told = (found.body.items as { data: { iss: string } }[]).filter(({ data }) => data.iss === iss);
        expect(told.map(({ data }) => data)).toEqual([{ issuer: 'github', iss, rejected: body.rejectedKeys }]);
      });
    });
  });

  describe('the header neither brings nor points to a key, nor changes what is signed', () => {
    it.each<[string, () => object, Reason]>([
      ['jwk (JWT-14)', () => ({ jwk: stranger.publicJwk }), 'header_jwk'],
      ['x5c (JWT-16)', () => ({ x5c: ['MIIBszCCAVmgAwIBAgIUQ2VydGlmaWNhdGU='] }), 'header_x5c'],
      ['an unknown crit (JWT-19)', () => ({ crit: ['x-policy'], 'x-policy': 1 }), 'header_crit'],
      ['an empty crit', () => ({ crit: [] }), 'header_crit'],
      ['a registered name as crit', () => ({ crit: ['alg'] }), 'header_crit'],
      ['crit as text', () => ({ crit: 'b64' }), 'header_crit'],
      ['crit naming what is absent', () => ({ crit: ['absent'] }), 'header_crit'],
      ['b64 false with crit (JWT-20)', () => ({ b64: false, crit: ['b64'] }), 'header_b64'],
      ['b64 false alone', () => ({ b64: false }), 'header_b64'],
      ['b64 true with crit', () => ({ b64: true, crit: ['b64'] }), 'header_b64'],
      ['cty JWT (JWT-26)', () => ({ cty: 'JWT' }), 'header_cty'],
      ['zip', () => ({ zip: 'DEF' }), 'header_zip'],
    ])('%s is refused, whoever signed', async (_, members, reason) => {
      const claims = attacked.claims();
      const header = { ...rs256, ...members() };
      expect(await attacked.present(forge(header, claims, stranger))).toEqual(refused(reason));
      expect(await attacked.present(forge(header, claims, attacked.key('a1')))).toMatchObject({
        status: 400,
        recorded: [['dev.countersign.exchange.denied.v1', 'denied', 'token not valid', reason]],
      });
    });

    describe('addresses in the header', () => {
      let server: Server;
      let connections = 0;

      beforeAll(async () => {
        server = createServer((socket) => {
          connections += 1;
          socket.destroy();
        }).listen(0, '127.0.0.1');
        await once(server, 'listening');
      });

      afterAll(() => server.close());

      it.each<[string, Reason]>([
        ['jku', 'header_jku'],
        ['x5u', 'header_x5u'],
      ])('%s is refused and nobody connects to it (JWT-15)', async (name, reason) => {
        const before = attacked.issuer.requests.jwks;
        for (const host of [`127.0.0.1:${(server.address() as AddressInfo).port}`, '169.254.169.254']) {
          for (const key of [stranger, attacked.key('a1')]) {
            const token = forge({ ...rs256, [name]: `http://${host}/latest` }, attacked.claims(), key);
            expect(await attacked.present(token)).toEqual(refused(reason));
          }
        }
        expect({ connections, fetches: attacked.issuer.requests.jwks - before }).toEqual({
          connections: 0,
          fetches: 0,
        });
      });
    });
  });

  describe('kid names a published key, byte for byte', () => {
    let fetchesBefore: number;

    beforeAll(() => {
      fetchesBefore = attacked.issuer.requests.jwks;
    });

    it.each<[string, unknown, Reason]>([
      ['a path (JWT-17)', '../../../dev/null', 'kid_unknown'],
      ['SQL', "' UNION SELECT 'x'--", 'kid_unknown'],
      ['a command', '|/bin/id', 'kid_unknown'],
      ['a member of every object', '__proto__', 'kid_unknown'],
      ['another member of every object', 'constructor', 'kid_unknown'],
      ['another case', 'A1', 'kid_unknown'],
      ['a line end', 'a1\r\nX: y', 'kid'],
      ['a NUL', 'a1\u0000', 'kid'],
      ['10 KB', 'A'.repeat(10_240), 'kid'],
      ['a space behind it', 'a1 ', 'kid'],
      ['no ASCII', 'а1', 'kid'],
      ['nothing (JWT-18)', undefined, 'kid'],
      ['a number', 1, 'kid'],
      ['a list', ['a1'], 'kid'],
      ['an object', {}, 'kid'],
      ['null', null, 'kid'],
      ['an empty text', '', 'kid'],
    ])('%s is refused, and the answer does not repeat it', async (_, kid, reason) => {
      const token = forge({ ...rs256, kid }, attacked.claims(), attacked.key('a1'));
      expect(await attacked.present(token)).toEqual(refused(reason));
    });

    it('all of these caused one fetch of the keys at most', () => {
      expect(attacked.issuer.requests.jwks - fetchesBefore).toBeLessThanOrEqual(1);
    });
  });

  describe('a token that was accepted is verified anew each time (JWT-48)', () => {
    let other: LocalIssuer;

    beforeAll(async () => {
      other = await startLocalIssuer({ algorithms: ['ES256'] });
      await apply(attacked.system, [document(), attacked.role('others', other.iss)]);
    });

    afterAll(() => other.stop());

    const document = (changes: object = {}): object =>
      jwtIssuer('other', other.iss, { singleUse: false, clockSkew: '0s', ...changes });
    const token = (lifetime = 300): Promise<string> => {
      const now = Math.floor(Date.now() / 1000);
      return other.sign({ ...attacked.claims(), iss: other.iss, iat: now, exp: now + lifetime });
    };
    const answerTo = async (text: string): Promise<unknown> => {
      const { status, body } = await exchange(attacked.system, text);
      return status === 200 ? 200 : body.error_description;
    };
    const eventuallyAnswers = (text: string, answer: string): Promise<void> =>
      eventually(async () => expect(await answerTo(text)).toBe(answer));

    it('its key was removed', async () => {
      const text = await token();
      expect([await answerTo(text), await answerTo(text)]).toEqual([200, 200]);
      await other.rotate({ dropOld: true });
      expect((await admin(attacked.system, 'POST', '/v1/issuers/other/refresh')).status).toBeLessThan(300);
      await eventuallyAnswers(text, 'token not valid');
      expect(await answerTo(await token())).toBe(200);
    });

    it('its issuer was disabled', async () => {
      const text = await token();
      expect(await answerTo(text)).toBe(200);
      await apply(attacked.system, [document({ disabled: true })]);
      await eventuallyAnswers(text, 'untrusted issuer');
      await apply(attacked.system, [document()]);
      await eventually(async () => expect(await answerTo(text)).toBe(200));
    });

    it('its audience is no longer accepted', async () => {
      const text = await token();
      expect(await answerTo(text)).toBe(200);
      await apply(attacked.system, [document({ aud: ['https://elsewhere.test'] })]);
      await eventuallyAnswers(text, 'audience not accepted');
      await apply(attacked.system, [document()]);
    });

    it('its time has passed', async () => {
      const text = await token(2);
      await eventually(async () => expect(await answerTo(text)).toBe('token not valid'));
    });
  });

  // Last, over everything above (AUD-02, AUD-03).
  it('every attempt was recorded once, and no token stands in the trail or in the log', async () => {
    expect(await attacked.notRecordedOnce()).toEqual([]);
    expect(await attacked.leaked()).toEqual([]);
  });
}
