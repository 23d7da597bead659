/// <reference types="jest" />
import { connect } from 'node:net';
import { eventually } from '@countersign/testing';
import { accepted, AttackedSystem, refused } from '../support/attacked-system';
import { eventsOf, exchange } from '../support/client';
import { encode, withSignature } from '../support/forge';
import type { EmbeddedSystem } from '../support/embedded';

/** Cases for an embedded system that nobody stops; `given` is it, once it runs. */
export function formCases(given: () => EmbeddedSystem): void {
  let attacked: AttackedSystem;

  beforeAll(async () => {
    attacked = await AttackedSystem.on(given());
  });

  afterAll(() => attacked?.stop());

  const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  const claimsWith = (members: string): string => `${JSON.stringify(attacked.claims()).slice(0, -1)},${members}}`;

  type Row = [string, () => string];

  describe('a token in another form than the compact one is refused before anything in it is read', () => {
    it.each<Row>([
      ['a space behind it (JWT-31)', () => `${attacked.token()} `],
      ['a newline behind it', () => `${attacked.token()}\n`],
      ['padding behind it', () => `${attacked.token()}==`],
      ['a space before it', () => ` ${attacked.token()}`],
      ['a newline inside the signature', () => attacked.token().replace(/.{5}$/, '\n$&')],
      ['a space inside the signature', () => attacked.token().replace(/.{5}$/, ' $&')],
      ['a scheme before it', () => `Bearer ${attacked.token()}`],
      ['quotes around it', () => `"${attacked.token()}"`],
      ['the alphabet of plain base64', () => attacked.token().replace(/\.[^.]{4}/, '.ab+/')],
      ['another spelling of the last character', () => respelled(attacked.token())],
      ['an empty signature (JWT-34)', () => attacked.token().replace(/[^.]+$/, '')],
      ['no signature', () => attacked.token().replace(/\.[^.]+$/, '')],
      ['a fourth, empty part', () => `${attacked.token()}.`],
      ['a fourth part', () => `${attacked.token()}.x`],
      ['two dots (JWT-28)', () => '..'],
      ['three dots', () => '...'],
      ['empty claims between single characters', () => 'a..b'],
      ['a JWE whose password would be hashed two billion times (JWT-25)', () => `${encode(pbes2)}.AA.AA.AA.AA`],
      ['a compressed JWE', () => `${encode({ alg: 'dir', enc: 'A128GCM', zip: 'DEF' })}..AA.AA.AA`],
      ['the JSON serialisation (JWT-26)', () => jsonForm(attacked.token())],
      ['a string without any dot', () => 'not-a-token'],
    ])('%s', async (_, text) => {
      expect(await attacked.present(text())).toEqual(refused('token_form'));
    });

    const pbes2 = { alg: 'PBES2-HS256+A128KW', p2c: 2 ** 31 - 1 };

    /** Decodes to the same bytes: 64 bytes of signature leave four bits of the last character unused. */
    function respelled(token: string): string {
      const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
      const last = alphabet.indexOf(token.slice(-1));
      return token.slice(0, -1) + alphabet.charAt(last ^ 1);
    }

    function jsonForm(token: string): string {
      const [head, payload, signature] = token.split('.');
      return JSON.stringify({ protected: head, payload, signature });
    }
  });

  it('an empty token is none at all (RFC 6749 section 3.1)', async () => {
    const { status, body } = await exchange(attacked.system, '');
    expect({ status, body }).toMatchObject({
      status: 400,
      body: { error: 'invalid_request', error_description: 'subject_token is required' },
    });
    const [event, ...others] = await eventsOf(attacked.system, body.trace_id);
    expect([event?.data.reason, others]).toEqual(['invalid_request', []]);
  });

  describe('a token that is too long is refused by its length alone', () => {
    it.each<Row>([
      ['a signed token of more than 16 KiB (JWT-27)', () => attacked.token({ x: 'a'.repeat(16_384) })],
      ['16 KiB and one character', () => 'a'.repeat(16 * 1024 + 1)],
      ['a million dots (JWT-28)', () => '.'.repeat(1_000_000)],
      ['half a megabyte', () => attacked.token({ x: 'a'.repeat(300_000) })],
      ['a hundred thousand levels in the claims (JWT-29)', () => attacked.token(claimsWith(`"x":${nested(100_000)}`))],
      [
        'a hundred thousand levels in the header',
        () => withSignature(nested(100_000), attacked.claims(), Buffer.alloc(64)),
      ],
    ])('%s', async (_, text) => {
      expect(await attacked.present(text())).toEqual(refused('token_size'));
    });

    it('a token of nearly 16 KiB is accepted', async () => {
      const token = attacked.token({ x: 'a'.repeat(11_600) });
      expect(token.length).toBeGreaterThan(16_000);
      expect(await attacked.present(token)).toEqual(accepted);
    });

    it.each([1_048_577, 10_000_000, 10_000_000_000])(
      'a body of %i bytes is refused before it was sent (JWT-27)',
      async (length) => {
        const answer = await answerToAnnounced(length);
        expect(answer).toMatch(/^HTTP\/1\.1 413 /);
        expect(answer).toMatch(/^cache-control: no-store\r$/im);
        expect(answer).toMatch(/"error":"invalid_request"/);
        expect(answer.length).toBeLessThan(2_000);
        expect(await attacked.present(attacked.token())).toEqual(accepted);
      },
    );

    /** Announces a body, sends its first bytes alone, and reads until the server closes. */
    async function answerToAnnounced(length: number): Promise<string> {
      const socket = connect(Number(new URL(attacked.system.url).port), '127.0.0.1');
      const head = ['POST /oauth2/token HTTP/1.1', 'host: sts.test', 'connection: close', `content-length: ${length}`];
      socket.write(
        `${head.join('\r\n')}\r\ncontent-type: application/x-www-form-urlencoded\r\n\r\nsubject_token=a.a.a`,
      );
      let answer = '';
      socket.on('data', (text: Buffer) => (answer += text.toString()));
      await eventually(() => expect(answer).toContain('}'));
      socket.destroy();
      return answer;
    }
  });

  describe('header and claims are one JSON object each, read in one way only', () => {
    it.each<[string, () => string, Parameters<typeof refused>[0]]>([
      ['a second sub (JWT-22)', () => claimsWith('"sub":"repo:evil/x"'), 'json_duplicate_member'],
      ['a second aud', () => claimsWith('"aud":"x"'), 'json_duplicate_member'],
      ['an escaped twin of sub', () => claimsWith('"\\u0073ub":"repo:evil/x"'), 'json_duplicate_member'],
      ['a twin in a nested object', () => claimsWith('"x":{"a":1,"\\u0061":2}'), 'json_duplicate_member'],
      ['__proto__ (JWT-23)', () => claimsWith('"__proto__":{"repository_id":"1001","admin":true}'), 'json_proto'],
      ['an escaped __proto__', () => claimsWith('"\\u005f_proto__":{"admin":true}'), 'json_proto'],
      ['a nested constructor', () => claimsWith('"x":{"constructor":{"prototype":1}}'), 'json_proto'],
      ['toString', () => claimsWith('"toString":1'), 'json_proto'],
      ['an array (JWT-24)', () => '[]', 'json_not_object'],
      ['an array that holds the claims', () => JSON.stringify([attacked.claims()]), 'json_not_object'],
      ['a string', () => '"x"', 'json_not_object'],
      ['a number', () => '1', 'json_not_object'],
      ['null', () => 'null', 'json_not_object'],
      ['nothing', () => '', 'json_not_object'],
      ['thirteen levels (JWT-29)', () => claimsWith(`"x":${nested(12)}`), 'json_depth'],
      ['thousands of levels', () => claimsWith(`"x":${nested(5_000)}`), 'json_depth'],
      ['thousands of open brackets', () => '['.repeat(11_000), 'json_depth'],
      ['thousands of members', () => `{${Array.from({ length: 1_100 }, (_, i) => `"${i}":0`).join()}}`, 'json_members'],
      ['a byte order mark (JWT-33)', () => `\uFEFF${JSON.stringify(attacked.claims())}`, 'bom'],
      ['an escaped lone surrogate', () => claimsWith('"x":"\\ud800"'), 'utf8'],
      ['text behind the object', () => `${JSON.stringify(attacked.claims())}x`, 'json'],
      ['two objects', () => `${JSON.stringify(attacked.claims())}{}`, 'json'],
      ['a number beyond all numbers, nested', () => claimsWith('"x":[1e400]'), 'json'],
    ])('claims with %s are refused', async (_, payload, reason) => {
      expect(await attacked.present(attacked.token(payload()))).toEqual(refused(reason));
    });

    it('claims that are no UTF-8 are refused (JWT-33)', async () => {
      const bytes = Buffer.from(claimsWith('"x":"??"')).map((byte) => (byte === 0x3f ? 0xff : byte));
      expect(await attacked.present(attacked.token(bytes))).toEqual(refused('utf8'));
    });

    it.each<[string, string, Parameters<typeof refused>[0]]>([
      ['__proto__', '{"alg":"ES256","kid":"a2","__proto__":{"alg":"none"}}', 'json_proto'],
      ['two algs', '{"alg":"none","alg":"ES256","kid":"a2"}', 'json_duplicate_member'],
      ['thousands of levels', `{"alg":"ES256","kid":"a2","x":${nested(3_000)}}`, 'json_depth'],
      ['a byte order mark', '\uFEFF{"alg":"ES256","kid":"a2"}', 'bom'],
      ['a lone surrogate', '{"alg":"ES256","kid":"a2","x":"\\udc00"}', 'utf8'],
      ['an array around it', '[{"alg":"ES256","kid":"a2"}]', 'json_not_object'],
      ['text behind it', '{"alg":"ES256","kid":"a2"} x', 'json'],
    ])('a header with %s is refused', async (_, header, reason) => {
      expect(await attacked.present(withSignature(header, attacked.claims(), Buffer.alloc(64, 1)))).toEqual(
        refused(reason),
      );
    });
  });

  // Last, over everything above (AUD-02, AUD-03).
  it('every attempt was recorded once, no token stands in the trail or in the log, and the issuer was not asked', async () => {
    expect(attacked.traceIds.length).toBeGreaterThan(50);
    expect(await attacked.notRecordedOnce()).toEqual([]);
    expect(await attacked.leaked()).toEqual([]);
    // A registration costs two fetches at most: one that looks at the issuer, and one for its keys.
    expect(Math.max(...Object.values(attacked.issuer.requests))).toBeLessThanOrEqual(2);
  });
}
