import { looksLikeToken, scrubTokens } from './index';
import { claims, encode, hmacToken, KeyPair, mint, newKey } from './tokens.fixture';

let ec: KeyPair;
let rsa: KeyPair;

beforeAll(async () => {
  [ec, rsa] = await Promise.all([newKey('e', 'ES256'), newKey('r', 'RS256')]);
});

const secret = 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const opaque = 'cs_admin_0123456789abcdef';

it.each([
  ['a JWS', () => mint({ alg: 'ES256' }, claims(), ec)],
  ['an RSA JWS', () => mint({ alg: 'RS256' }, claims(), rsa)],
  ['an HMAC JWS', () => hmacToken({ alg: 'HS256' }, claims(), 'x')],
  ['a JWS whose header has spaces', () => mint('{ "alg":"ES256"}', claims(), ec)],
  ['a JWS whose header begins with a line end', () => mint('{\n "alg":"ES256"}', claims(), ec)],
  ['a JWS whose header begins with spaces', () => mint('   {"alg":"ES256"}', claims(), ec)],
  ['a JWE', () => `${encode({ alg: 'dir', enc: 'A128GCM' })}..${'A'.repeat(16)}.${'B'.repeat(64)}.${'C'.repeat(22)}`],
  ['the first half of a token', () => mint({ alg: 'ES256' }, claims(), ec).slice(0, 120)],
  ['a bare payload', () => encode(claims())],
  ['a webhook secret', () => `whsec_${secret}`],
  ['a bearer credential', () => `Bearer ${opaque}`],
  ['a lower-case bearer credential', () => `bearer ${opaque}`],
  ['a DPoP credential', () => `DPoP ${opaque}`],
  ['a basic credential', () => `Basic ${Buffer.from('user:password').toString('base64')}`],
  ['a private key', () => `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----`],
])('nothing of %s is left, wherever it stands', (_name, make) => {
  const text = make();
  const hidden = text.replace(
    /^(Bearer|DPoP|Basic|bearer) |^-----BEGIN PRIVATE KEY-----\n|\n-----END PRIVATE KEY-----$/g,
    '',
  );
  for (const line of [
    text,
    `x=${text}&y=1`,
    `"${text}"`,
    `first\n${text}\nlast`,
    `(${text}), {${text}}`,
    `\u0007${text}`,
  ]) {
    expect(looksLikeToken(line)).toBe(true);
    expect(scrubTokens(line)).not.toContain(hidden.slice(0, 16));
    expect(scrubTokens(line)).not.toContain(hidden.slice(-16));
  }
});

it.each([
  ['a JWS', () => mint({ alg: 'ES256' }, claims(), ec)],
  ['a JWS that begins unusually', () => mint('   {"alg":"ES256"}', claims(), ec)],
  [
    'an encrypted token that begins unusually',
    () => `ICAg${'A'.repeat(20)}..${'B'.repeat(16)}.${'C'.repeat(64)}.${'D'.repeat(22)}`,
  ],
  ['a webhook secret', () => `whsec_${secret}`],
  ['a bearer credential', () => `Bearer ${opaque}`],
])('a log line in JSON stays JSON without %s', (_name, make) => {
  const text = make();
  for (const around of ['\n', '\t', '\\', '\\\n', '\\n', '\u0001', '"', ' ', '/']) {
    const line = scrubTokens(JSON.stringify({ level: 'info', msg: `before${around}${text} ${around}after` }));
    const parsed = JSON.parse(line) as { level: string; msg: string };
    expect(parsed.level).toBe('info');
    expect(parsed.msg).toMatch(/^before.*\[redacted\].*after$/s);
    expect(line).not.toContain(text.slice(-20));
  }
});

it.each([
  'POST /oauth2/token 200 12ms',
  'Bearer realm="countersign"',
  '{"token_type":"Bearer","expires_in":900}',
  'bearer token required',
  'connect ECONNREFUSED token.actions.githubusercontent.com:443',
  'repo:acme/web:ref:refs/heads/main job_workflow_ref acme/shared/.github/workflows/deploy.yml@refs/heads/main',
  '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  'b1946ac9-2492-4d23-a0f6-6c1c4f1b0d7e 2026-11-20T10:00:00.000Z @countersign/safe-http@0.0.0',
  'keys eyes whsec whsec_',
])('harmless text stays as it is: %s', (text) => {
  expect(scrubTokens(text)).toBe(text);
  expect(looksLikeToken(text)).toBe(false);
});

it.each([
  ['one long run', 'a'.repeat(200_000)],
  ['many dots', 'abcdefghijklm.'.repeat(20_000)],
  ['many beginnings of tokens', 'eyJ.'.repeat(50_000)],
  ['many beginnings of keys', '-----BEGIN PRIVATE KEY-----'.repeat(5_000)],
  ['escapes', '\\n'.repeat(100_000)],
  ['backslashes', `${'\\'.repeat(100_000)}a`],
])('hostile text takes linear time: %s', (_name, text) => {
  const started = process.hrtime.bigint();
  scrubTokens(text);
  expect(Number(process.hrtime.bigint() - started) / 1e6).toBeLessThan(20_000);
});
