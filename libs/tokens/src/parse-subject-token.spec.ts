import { parseSubjectToken, refuseJson } from './index';
import { claims, encode, KeyPair, mint, newKey } from './tokens.fixture';

const good = { alg: 'ES256', kid: 'a2', typ: 'JWT' };
type Row = [string, object, string];

let key: KeyPair;
let token: string;

beforeAll(async () => {
  key = await newKey('a2', 'ES256');
  token = mint(good, claims(), key);
});

function reasonOf(text: string): string {
  const result = parseSubjectToken(text);
  return result.ok ? 'accepted' : result.reason;
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const withMembers = (members: string): string => `${JSON.stringify(claims()).slice(0, -1)},${members}}`;

describe('the form is judged before anything is parsed', () => {
  it.each([
    ['a space at the end', (t: string) => `${t} `],
    ['a space at the start', (t: string) => ` ${t}`],
    ['a newline at the end', (t: string) => `${t}\n`],
    ['padding', (t: string) => `${t}==`],
    ['a newline inside the signature', (t: string) => `${t.slice(0, -5)}\n${t.slice(-5)}`],
    ['a space inside the signature', (t: string) => `${t.slice(0, -5)} ${t.slice(-5)}`],
    ['a scheme in front', (t: string) => `Bearer ${t}`],
    ['quotes around', (t: string) => `"${t}"`],
    ['the standard base64 alphabet', (t: string) => t.replace(/\.[^.]{4}/, '.ab+/')],
    ['an empty signature', (t: string) => t.replace(/[^.]+$/, '')],
    ['no signature', (t: string) => t.replace(/\.[^.]+$/, '')],
    ['a fourth, empty part', (t: string) => `${t}.`],
    ['a fourth part', (t: string) => `${t}.x`],
    ['nothing', () => ''],
    ['two dots', () => '..'],
    ['three dots', () => '...'],
    ['an empty payload between one-character parts', () => 'a..b'],
    ['a JWE of five parts', () => 'eyJhbGciOiJQQkVTMi1IUzI1NitBMTI4S1ciLCJwMmMiOjIxNDc0ODM2NDd9.AA.AA.AA.AA'],
    ['a compressed direct JWE', () => `${encode({ alg: 'dir', enc: 'A128GCM', zip: 'DEF' })}..AA.AA.AA`],
    ['the JSON serialisation', () => JSON.stringify({ payload: 'e30', protected: 'e30', signature: 'AA' })],
  ])('refuses %s as token_form', (_name, change) => {
    expect(reasonOf(change(token))).toBe('token_form');
  });

  it('refuses every other spelling of the last character of each part (spare bits)', () => {
    // 64 bytes of signature leave 4 spare bits in the last character.
    const twins = [...alphabet]
      .map((last) => token.slice(0, -1) + last)
      .filter((twin) => reasonOf(twin) === 'accepted');
    const sameBytes = twins.filter((twin) => Buffer.from(twin, 'base64url').equals(Buffer.from(token, 'base64url')));
    expect(sameBytes).toEqual([token]);
    expect(twins).toHaveLength(4);
  });

  it.each([0, 1, 2])('refuses other spellings of header, claims and signature alike: part %i', (part) => {
    // A length that leaves unused bits in the last character of every part.
    const odd = [1, 2, 3].map((count) => 'x'.repeat(count));
    const lengthOf = (value: object): number => Buffer.byteLength(JSON.stringify(value)) % 3;
    const header = odd.map((x) => ({ ...good, x })).find((value) => lengthOf(value) === 1) ?? good;
    const payload = odd.map((x) => claims({ x })).find((value) => lengthOf(value) === 1) ?? claims();
    const parts = mint(header, payload, key).split('.');
    const bytes = Buffer.from(parts[part] ?? '', 'base64url');
    const twins = [...alphabet].map((last) => (parts[part] ?? '').slice(0, -1) + last);
    const same = twins.filter((twin) => twin !== parts[part] && Buffer.from(twin, 'base64url').equals(bytes));
    expect(same).not.toEqual([]);
    for (const twin of same) expect(reasonOf(parts.with(part, twin).join('.'))).toBe('token_form');
    expect(reasonOf(parts.join('.'))).toBe('accepted');
  });

  it.each([
    ['16 KiB and one byte', 'a'.repeat(16 * 1024 + 1)],
    ['a million dots', '.'.repeat(1_000_000)],
    ['10 MB', 'a'.repeat(10_000_000)],
  ])('refuses %s as token_size', (_name, text) => {
    expect(reasonOf(text)).toBe('token_size');
  });

  it('reads a token of exactly 16 KiB', () => {
    const room = Math.floor(((16 * 1024 - token.length) * 3) / 4) - 16;
    const long = mint(good, claims({ pad: 'x'.repeat(room) }), key);
    expect(long.length).toBeGreaterThan(16 * 1024 - 32);
    expect(long.length).toBeLessThanOrEqual(16 * 1024);
    expect(reasonOf(long)).toBe('accepted');
  });
});

describe('claims are one JSON object that every reader understands alike', () => {
  it.each([
    ['a duplicate sub', withMembers('"sub":"repo:acme/other"'), 'json_duplicate_member'],
    ['a duplicate aud', withMembers('"aud":"x"'), 'json_duplicate_member'],
    ['an escaped twin of sub', withMembers('"\\u0073ub":"repo:acme/other"'), 'json_duplicate_member'],
    ['a duplicate in a nested object', withMembers('"x":{"a":1,"\\u0061":2}'), 'json_duplicate_member'],
    ['__proto__', withMembers('"__proto__":{"admin":true}'), 'json_proto'],
    ['an escaped __proto__', withMembers('"\\u005f_proto__":{"admin":true}'), 'json_proto'],
    ['constructor, nested', withMembers('"x":{"constructor":1}'), 'json_proto'],
    ['toString', withMembers('"toString":1'), 'json_proto'],
    ['an array', '[]', 'json_not_object'],
    ['an array with the claims', `[${JSON.stringify(claims())}]`, 'json_not_object'],
    ['a string', '"x"', 'json_not_object'],
    ['a number', '1', 'json_not_object'],
    ['null', 'null', 'json_not_object'],
    ['nothing', '', 'json_not_object'],
    ['whitespace', ' \n', 'json_not_object'],
    ['text after the object', `${JSON.stringify(claims())}x`, 'json'],
    ['two objects', '{}{}', 'json'],
    ['a trailing comma', '{"a":1,}', 'json'],
    ['a leading comma', '{,"a":1}', 'json'],
    ['a member without value', '{"a"}', 'json'],
    ['an unclosed object', '{"a":1', 'json'],
    ['an unclosed array', '{"a":[1', 'json'],
    ['crossed brackets', '{"a":[1}]', 'json'],
    ['a comment', '{/**/}', 'json'],
    ['single quotes', "{'a':1}", 'json'],
    ['a leading zero', '{"a":01}', 'json'],
    ['a plus sign', '{"a":+1}', 'json'],
    ['NaN', '{"a":NaN}', 'json'],
    ['a raw newline in a string', '{"a":"x\ny"}', 'json'],
    ['an unknown escape', '{"a":"\\x41"}', 'json'],
    ['a nested number beyond a double', withMembers('"x":[1e400]'), 'json'],
    ['a BOM', `\uFEFF${JSON.stringify(claims())}`, 'bom'],
    ['an escaped lone surrogate', withMembers('"x":"\\ud800"'), 'utf8'],
    ['a lone surrogate in a name', withMembers('"\\udc00":1'), 'utf8'],
    ['surrogates in the wrong order', withMembers('"x":"\\udc00\\ud800"'), 'utf8'],
    ['13 levels', withMembers(`"x":${nested(12)}`), 'json_depth'],
    ['thousands of levels', `{"x":${nested(5000)}}`, 'json_depth'],
    ['more than 1000 members', `{${Array.from({ length: 1001 }, (_, i) => `"${i}":0`).join(',')}}`, 'json_members'],
  ])('refuses %s', (_name, payload, reason) => {
    expect(reasonOf(mint(good, payload, key))).toBe(reason);
  });

  it.each([
    ['bytes that are no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
    [
      'a surrogate written as UTF-8',
      Buffer.concat([Buffer.from('{"a":"'), Buffer.from('eda080', 'hex'), Buffer.from('"}')]),
    ],
    ['an overlong encoding', Buffer.concat([Buffer.from('{"a":"'), Buffer.from('c0af', 'hex'), Buffer.from('"}')])],
  ])('refuses %s as utf8', (_name, payload) => {
    expect(reasonOf(mint(good, payload, key))).toBe('utf8');
  });

  it.each([
    ['a header with __proto__', '{"alg":"ES256","kid":"a2","__proto__":{}}', 'json_proto'],
    ['a header with two algs', '{"alg":"none","alg":"ES256","kid":"a2"}', 'json_duplicate_member'],
    ['a deep header', `{"alg":"ES256","kid":"a2","x":${nested(3000)}}`, 'json_depth'],
    ['a header with a BOM', '\uFEFF{"alg":"ES256","kid":"a2"}', 'bom'],
    ['a header that is an array', '[]', 'json_not_object'],
  ])('refuses %s', (_name, header, reason) => {
    expect(reasonOf(mint(header, claims(), key))).toBe(reason);
  });

  it.each([
    ['a raw lone surrogate', '{"x":"\ud800"}', 'utf8'],
    ['a raw lone surrogate as a name', '{"\udc00":1}', 'utf8'],
    ['half a pair escaped, half raw', '{"x":"\\ud83d\ude00"}', 'utf8'],
    ['a pair, raw', '{"x":"\ud83d\ude00"}', null],
    ['a pair, escaped', '{"x":"\\ud83d\\ude00"}', null],
    ['an escaped backslash before ud800', '{"x":"\\\\ud800"}', null],
    ['a raw no-break space between members', '{"a":1,\u00a0"b":2}', 'json'],
    ['a raw line separator between members', '{"a":1,\u2028"b":2}', 'json'],
    ['a vertical tab between members', '{"a":1,\v"b":2}', 'json'],
  ])('text with %s', (_name, text, reason) => {
    expect(refuseJson(text, { depth: 3, members: 9 })).toBe(reason);
  });

  it('leaves Object.prototype as it was', () => {
    parseSubjectToken(mint(good, withMembers('"__proto__":{"admin":true}'), key));
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  it('accepts twelve levels, escapes, numbers and every kind of whitespace', () => {
    const odd = withMembers(
      `"x":${nested(11)}, "y" :\t[ 1 , -0.5e-3 , true,\r\n null, "\\u00e9\\ud83d\\ude00\\/" ] ,"z":{}`,
    );
    expect(reasonOf(mint(` ${JSON.stringify(good)}\n`, odd, key))).toBe('accepted');
  });
});

describe('the header cannot choose the algorithm class, the key or the format', () => {
  it.each<Row>([
    ...['None', 'NONE', 'nOnE', 'none', '', 'RS256 ', 'rs256', 'HS256', 'HS512', 'RSA1_5', 'ES256K', 'constructor'].map(
      (alg): Row => [`alg ${JSON.stringify(alg)}`, { ...good, alg }, 'alg'],
    ),
    ['alg null', { ...good, alg: null }, 'alg'],
    ['alg as array', { ...good, alg: ['RS256'] }, 'alg'],
    ['no alg', { kid: 'a2' }, 'alg'],
    ['jwk', { ...good, jwk: { kty: 'EC' } }, 'header_jwk'],
    ['jku', { ...good, jku: 'http://169.254.169.254/latest' }, 'header_jku'],
    ['x5u', { ...good, x5u: 'http://127.0.0.1:6379/' }, 'header_x5u'],
    ['x5c', { ...good, x5c: ['MIIB'] }, 'header_x5c'],
    ['an unknown crit', { ...good, crit: ['x-policy'], 'x-policy': 1 }, 'header_crit'],
    ['an empty crit', { ...good, crit: [] }, 'header_crit'],
    ['a registered name as crit', { ...good, crit: ['alg'] }, 'header_crit'],
    ['crit as string', { ...good, crit: 'b64' }, 'header_crit'],
    ['crit of an absent header', { ...good, crit: ['absent'] }, 'header_crit'],
    ['b64 false with crit', { ...good, b64: false, crit: ['b64'] }, 'header_b64'],
    ['b64 false alone', { ...good, b64: false }, 'header_b64'],
    ['b64 true with crit', { ...good, b64: true, crit: ['b64'] }, 'header_b64'],
    ['cty JWT', { ...good, cty: 'JWT' }, 'header_cty'],
    ['zip', { ...good, zip: 'DEF' }, 'header_zip'],
    ...[1, ['a1'], {}, null, '', 'a1\r\nX: y', 'a1\u0000', 'a1 ', ' a1', 'A'.repeat(257), 'ключ'].map((kid): Row => [
      `kid ${JSON.stringify(kid).slice(0, 20)}`,
      { ...good, kid },
      'kid',
    ]),
    ...[1, null, ['JWT'], {}].map((typ): Row => [`typ ${JSON.stringify(typ)}`, { ...good, typ }, 'typ']),
  ])('refuses %s', (_name, header, reason) => {
    expect(reasonOf(mint(header, claims(), key))).toBe(reason);
  });

  it.each([[undefined], [null], [''], [1], [{}], [['https://issuer-a.test']]])(
    'refuses iss %p as unknown issuer',
    (iss) => {
      expect(reasonOf(mint(good, claims({ iss }), key))).toBe('issuer_unknown');
    },
  );
});

describe('a refusal shows what could be read', () => {
  it.each([
    ['a refused header', { ...good, zip: 'DEF' }, claims(), { header: { ...good, zip: 'DEF' }, claims: claims() }],
    ['broken claims', good, '{', { header: good }],
    ['a broken header', '{', claims(), { claims: claims() }],
    ['claims without iss', good, { sub: 'x' }, { header: good, claims: { sub: 'x' } }],
  ])('of %s', (_name, header, payload, readable) => {
    const { reason: _reason, ...rest } = parseSubjectToken(mint(header, payload, key)) as { reason: string };
    expect(rest).toEqual({ ok: false, ...readable });
  });
});
