import crypto, { createHash, randomUUID } from 'node:crypto';
import { generateSigningKey, signAccessToken, type AccessTokenClaims, type Jwk } from '@countersign/tokens';
import { Controller, Get, Module } from '@nestjs/common';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose';
import {
  AdminAccess,
  Caller,
  Logger,
  RequireAction,
  ServiceConfig,
  startService,
  UnavailableError,
  VerifiedTokens,
  type RunningService,
} from './index';

const PUBLIC_URL = 'https://sts.test';
const ADMIN_TOKEN = 'a'.repeat(32);

@Controller()
class Probe {
  @Get('events')
  @RequireAction('Audit:Read')
  read(@Caller() { author }: Caller): object {
    return { author };
  }
}

@Module({ controllers: [Probe] })
class ProbeModule {}

/** What the exchange and policy say now. */
class Neighbours extends AdminAccess {
  keys: Jwk[] = [];
  revoked: string[] = [];
  allowed = true;
  answers = true;
  asked = 0;

  verificationKeys = async (): Promise<Jwk[]> => this.keys;
  isAllowed = async (): Promise<boolean> => this.allowed;
  isRevoked = async ({ jti }: AccessTokenClaims): Promise<boolean> => {
    this.asked += 1;
    if (!this.answers) throw new UnavailableError('exchange');
    return this.revoked.includes(jti);
  };
}

const access = new Neighbours();
let service: RunningService;
let signing: Awaited<ReturnType<typeof generateSigningKey>>;

beforeAll(async () => {
  signing = await generateSigningKey('ES256');
  service = await startService({
    name: 'probe',
    config: new ServiceConfig({
      COUNTERSIGN_PUBLIC_URL: PUBLIC_URL,
      COUNTERSIGN_HOST: '127.0.0.1',
      COUNTERSIGN_PORT: '0',
      COUNTERSIGN_ADMIN_TOKEN: ADMIN_TOKEN,
    }),
    logger: new Logger('probe', 'silent'),
    modules: [ProbeModule],
    provide: [[AdminAccess, access]],
  });
});

beforeEach(() => {
  Object.assign(access, { keys: [signing.publicJwk], revoked: [], allowed: true, answers: true });
});

afterEach(() => jest.restoreAllMocks());
afterAll(() => service.stop());

const seconds = (): number => Math.floor(Date.now() / 1000);

const tokenOf = (changes: Partial<AccessTokenClaims> = {}): string => {
  const fed = { iss: 'https://issuer.test', sub: 'job', jti: null, claims: {} };
  const names = { iss: PUBLIC_URL, aud: PUBLIC_URL, sub: 'github:job', jti: randomUUID(), client_id: 'github' };
  const times = { iat: seconds(), nbf: seconds(), exp: seconds() + 600 };
  return signAccessToken({ claims: { ...names, ...times, roles: [], policy: [], fed, ...changes }, key: signing });
};

async function show(token: string, headers: Record<string, string> = {}): Promise<number> {
  const answer = await fetch(`${service.url}/events`, { headers: { authorization: `Bearer ${token}`, ...headers } });
  await answer.text();
  return answer.status;
}

it('the signature of a token that is shown again is not verified again; all else is asked for each time', async () => {
  const [token, asked] = [tokenOf(), access.asked];
  const verifications = jest.spyOn(crypto, 'verify');
  for (let count = 0; count < 5; count++) expect(await show(token)).toBe(200);
  expect({ verified: verifications.mock.calls.length, asked: access.asked - asked }).toEqual({ verified: 1, asked: 5 });
});

describe('a token that was good a moment ago is refused at once', () => {
  it.each<[string, number, (jti: string) => void | Promise<void>]>([
    ['when it is revoked', 401, (jti) => void access.revoked.push(jti)],
    ['when nobody can tell whether it is', 503, () => void (access.answers = false)],
    ['when no policy allows what it is for any more', 403, () => void (access.allowed = false)],
    ['when its key is withdrawn', 401, () => void (access.keys = [])],
    ['when its key is another one now', 401, async () => void (access.keys = [await withSameKid()])],
    ['when it has expired', 401, () => void jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 606_000)],
  ])('%s', async (_, status, change) => {
    const jti = randomUUID();
    const token = tokenOf({ jti });
    expect(await show(token)).toBe(200);
    await change(jti);
    expect(await show(token)).toBe(status);
  });

  const withSameKid = async (): Promise<Jwk> => ({
    ...(await generateSigningKey('ES256')).publicJwk,
    kid: signing.kid,
  });

  it('when it is bound to a key and comes without a proof, or with one that was used', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = await exportJWK(publicKey);
    const token = tokenOf({ cnf: { jkt: await calculateJwkThumbprint(jwk) } });
    const ath = createHash('sha256').update(token).digest('base64url');
    const proof = (): Promise<string> =>
      new SignJWT({ jti: randomUUID(), iat: seconds(), htm: 'GET', htu: `${PUBLIC_URL}/events`, ath })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
        .sign(privateKey);
    const [first, second] = [await proof(), await proof()];
    const authorization = `DPoP ${token}`;
    expect(await show(token, { authorization, dpop: first })).toBe(200);
    expect(await show(token, { authorization, dpop: second })).toBe(200);
    expect(await show(token, { authorization, dpop: first })).toBe(401);
    expect(await show(token, { authorization })).toBe(401);
    expect(await show(token)).toBe(401);
  });
});

it('a token that is like one that was good is none', async () => {
  const token = tokenOf();
  expect(await show(token)).toBe(200);
  const [header, payload, signature = ''] = token.split('.');
  const other = signature.startsWith('A') ? 'B' : 'A';
  expect(await show(`${header}.${payload}.${other}${signature.slice(1)}`)).toBe(401);
  expect(await show(token.slice(0, -1))).toBe(401);
});

it('of the admin token nothing less, more or other will do (STS-25)', async () => {
  const others = Array.from({ length: ADMIN_TOKEN.length }, (_, index) => [
    ADMIN_TOKEN.slice(0, index),
    `${ADMIN_TOKEN.slice(0, index)}b${ADMIN_TOKEN.slice(index + 1)}`,
  ]).flat();
  expect(await show(ADMIN_TOKEN)).toBe(200);
  for (const other of [...others, `${ADMIN_TOKEN}a`, `${ADMIN_TOKEN},`]) expect(await show(other)).toBe(401);
});

it('however many tokens are shown, each is judged by itself', async () => {
  const [revoked, ...others] = Array.from({ length: 20 }, (): string => randomUUID());
  const tokens = [revoked, ...others].map((jti = '') => tokenOf({ jti }));
  expect(await Promise.all(tokens.map((token) => show(token)))).toEqual(tokens.map(() => 200));
  access.revoked.push(revoked ?? '');
  expect(await Promise.all(tokens.map((token) => show(token)))).toEqual([401, ...others.map(() => 200)]);
});

it('no more than a thousand tokens are remembered', () => {
  const tokens = new VerifiedTokens(PUBLIC_URL, null);
  const verifications = jest.spyOn(crypto, 'verify');
  const verify = (token: string): unknown => tokens.verify(token, access.keys, seconds());
  const [first, ...others] = Array.from({ length: 1_001 }, () => tokenOf());
  for (const token of [first ?? '', ...others, others.at(-1) ?? '']) verify(token);
  expect(verifications).toHaveBeenCalledTimes(1_001);
  verify(first ?? '');
  expect(verifications).toHaveBeenCalledTimes(1_002);
});
