import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { generateSecret } from './secret';
import { signMessage, verifyMessage, type ReceivedMessage } from './signature';

const secret = generateSecret(randomBytes(32));
const previous = generateSecret(randomBytes(32));
const now = Math.floor(Date.now() / 1000);
const id = '0197a1c2-0000-7000-8000-000000000001';

const bodies = ['{}', '{"a":1,"text":"ünïcödé 🚀 \\u0000"}', '', 'x'.repeat(100_000)];

/** What the independent implementation of the standard says about a message. */
function oracleAccepts(oracleSecret: string, body: string, signature: string): boolean {
  const headers = { 'webhook-id': id, 'webhook-timestamp': String(now), 'webhook-signature': signature };
  try {
    // It parses the body as JSON once it is verified, so only JSON bodies come here.
    new Webhook(oracleSecret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

describe('signing', () => {
  test.each(bodies)('equals the independent implementation (body %#)', (body) => {
    const expected = new Webhook(secret).sign(id, new Date(now * 1000), body);
    expect(signMessage({ id, timestamp: now, body, secrets: [secret] })).toBe(expected);
    expect(signMessage({ id, timestamp: now, body: Buffer.from(body), secrets: [secret] })).toBe(expected);
  });

  test('with two secrets is accepted by receivers of either, and by nobody else', () => {
    const body = '{"n":1}';
    const signature = signMessage({ id, timestamp: now, body, secrets: [secret, previous] });
    expect(signature.split(' ')).toHaveLength(2);
    expect(oracleAccepts(secret, body, signature)).toBe(true);
    expect(oracleAccepts(previous, body, signature)).toBe(true);
    expect(oracleAccepts(generateSecret(randomBytes(32)), body, signature)).toBe(false);
    expect(oracleAccepts(secret, '{"n":2}', signature)).toBe(false);
  });

  test.each([
    ['a dot in the id', { id: 'a.b', timestamp: 1, secrets: [secret] }],
    ['no id', { id: '', timestamp: 1, secrets: [secret] }],
    ['a fraction of a second', { id, timestamp: 1.5, secrets: [secret] }],
    ['no secret', { id, timestamp: 1, secrets: [] }],
    ['an empty secret', { id, timestamp: 1, secrets: ['whsec_'] }],
    ['a short secret', { id, timestamp: 1, secrets: ['whsec_YQ=='] }],
    ['a secret without its prefix', { id, timestamp: 1, secrets: [secret.slice(6)] }],
  ])('refuses %s', (_, message) => {
    expect(() => signMessage({ body: '{}', ...message })).toThrow(RangeError);
  });
});

describe('verification', () => {
  const body = '{"type":"x"}';
  const received = (changes: Partial<ReceivedMessage> = {}): ReceivedMessage => ({
    id,
    timestamp: String(now),
    signature: new Webhook(secret).sign(id, new Date(now * 1000), body),
    body,
    secrets: [secret],
    now,
    ...changes,
  });

  const signature = received().signature ?? '';
  test.each([
    ['a genuine message', {}, 'ok'],
    ['one signed with the previous secret', { secrets: [previous, secret] }, 'ok'],
    ['a further signature of another scheme', { signature: `v1a,AAAA ${signature}` }, 'ok'],
    ['one as old as the tolerance', { now: now + 300 }, 'ok'],
    ['one a second older', { now: now + 301 }, 'too_old'],
    ['one from as far ahead as the tolerance', { now: now - 300 }, 'ok'],
    ['one from a second further ahead', { now: now - 301 }, 'too_new'],
    ['a tolerance of our own', { now: now + 11, tolerance: 10 }, 'too_old'],
    ['another body', { body: '{"type":"y"}' }, 'bad_signature'],
    ['another id', { id: 'other' }, 'bad_signature'],
    ['another timestamp', { timestamp: String(now - 1) }, 'bad_signature'],
    ['another secret', { secrets: [previous] }, 'bad_signature'],
    ['no secret at all', { secrets: [] }, 'bad_signature'],
    ['a shorter signature', { signature: 'v1,AAAA' }, 'bad_signature'],
    ['a signature without scheme', { signature: signature.slice(3) }, 'bad_signature'],
    ['no id', { id: undefined }, 'missing_header'],
    ['no timestamp', { timestamp: undefined }, 'missing_header'],
    ['no signature', { signature: '' }, 'missing_header'],
    ['a timestamp that is no number', { timestamp: '1e9' }, 'bad_timestamp'],
    ['a negative timestamp', { timestamp: '-5' }, 'bad_timestamp'],
  ] as const)('%s: %#', (_, changes, wanted) => {
    const verified = verifyMessage(received(changes));
    expect(verified).toEqual(wanted === 'ok' ? { ok: true } : { ok: false, reason: wanted });
  });
});

describe('secrets', () => {
  test('are whsec_ and base64 of the given bytes', () => {
    expect(generateSecret(Buffer.alloc(32))).toBe(`whsec_${'A'.repeat(43)}=`);
  });

  test.each([0, 1, 23, 65])('are not made of %i bytes', (length) => {
    expect(() => generateSecret(Buffer.alloc(length))).toThrow(RangeError);
  });
});
