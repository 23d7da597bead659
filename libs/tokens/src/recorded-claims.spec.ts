import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { acceptedSubject, issuer, KeyPair, mint, newKey, now, outcome } from './tokens.fixture';

interface Recorded {
  file: string;
  provider: string;
  jwsHeader: { alg: string; kid?: string };
  iss: string;
  sub: string;
  aud: string | string[];
  hasJti: boolean;
}

const folder = join(__dirname, '../../testing/claims');
const read = (file: string): unknown => JSON.parse(readFileSync(join(folder, file), 'utf8'));
const recorded = read('INDEX.json') as Recorded[];
const keys = new Map<string, KeyPair>();

beforeAll(async () => {
  for (const alg of new Set(recorded.map(({ jwsHeader }) => jwsHeader.alg))) keys.set(alg, await newKey('k', alg));
});

/** The recorded claims as if they had been issued ten seconds ago. */
function fresh(file: string): Record<string, unknown> {
  const claims = read(file) as Record<string, unknown>;
  const shift = now - 10 - Number(claims['iat']);
  const times = ['iat', 'nbf', 'exp'].filter((name) => typeof claims[name] === 'number');
  return { ...claims, ...Object.fromEntries(times.map((name) => [name, Number(claims[name]) + shift])) };
}

it('there are 27 of them', () => {
  expect(recorded).toHaveLength(27);
});

describe.each(recorded)(
  'a token with the recorded claims of $file',
  ({ file, provider, jwsHeader, iss, sub, aud, hasJti }) => {
    const rules = issuer({ name: provider, iss, aud: [aud].flat().slice(0, 1), platform: provider });

    function situation() {
      const key = keys.get(jwsHeader.alg) as KeyPair;
      const header = { kid: 'k', ...jwsHeader };
      const jwks = { keys: [{ ...key.publicJwk, kid: header.kid }] };
      return { key, header, jwks };
    }

    it('verifies as the subject that its platform names', async () => {
      const { key, header, jwks } = situation();
      const subject = await acceptedSubject(mint(header, fresh(file), key), { jwks, rules });
      expect(subject).toMatchObject({ issuer: provider, iss, sub });
      expect(subject.jti !== null).toBe(hasJti);
      const { email: _email, ...others } = fresh(file);
      expect(subject.claims).toMatchObject(others);
    });

    it.each([
      ['another audience', { aud: 'https://elsewhere.example' }, 'aud'],
      ['another issuer', { iss: `${iss}/` }, 'issuer_unknown'],
      ['an end in the past', { iat: now - 400, nbf: now - 400, exp: now - 100 }, 'expired'],
      ['no subject', { sub: '' }, 'sub'],
    ])('is refused with %s', async (_name, changes, reason) => {
      const { key, header, jwks } = situation();
      expect(await outcome(mint(header, { ...fresh(file), ...changes }, key), { jwks, rules })).toBe(reason);
    });
  },
);
