import { exportJWK } from 'jose';
import { InProcessProofMemory } from './proof-memory';
import { Authority, AUDIENCE, newProofKey, sha256, type ProofKey } from './resource-server.fixture';
import type { Verifier } from './verifier';

let authority: Authority;
let verifier: Verifier;
let key: ProofKey;
let token: string;

beforeAll(async () => {
  authority = await Authority.start();
  key = await newProofKey();
});
beforeEach(async () => {
  verifier = authority.verifier();
  token = await authority.token({ cnf: { jkt: key.thumbprint } });
});
afterAll(() => authority.stop());

const request = (proof: string | undefined, changes: object = {}) => ({
  dpop: { proof, method: 'GET', url: `${AUDIENCE}/things`, ...changes },
});
const verifyWith = async (proof: string | undefined, changes: object = {}) =>
  verifier.verify(token, request(proof, changes));

test('a bound token with a proof of its key is accepted, and says so', async () => {
  const verified = await verifyWith(await authority.proof(key, token));
  expect(verified).toMatchObject({ ok: true, identity: { keyThumbprint: key.thumbprint } });
});

test.each([
  ['query and fragment', `${AUDIENCE}/things?a=1#b`, `${AUDIENCE}/things`],
  ['the default port and the case of the host', `${AUDIENCE}/things`, 'HTTPS://API.example.com:443/things'],
])('the address is compared without %s', async (_, url, htu) => {
  const proof = await authority.proof(key, token, { claims: { htu } });
  expect(await verifyWith(proof, { url })).toMatchObject({ ok: true });
});

describe('a bound token is refused', () => {
  test('without proof, and without a word about one', async () => {
    expect(await verifyWith(undefined)).toEqual({ ok: false, reason: 'proof_missing' });
    expect(await verifyWith('')).toEqual({ ok: false, reason: 'proof_missing' });
    expect(await verifier.verify(token)).toEqual({ ok: false, reason: 'proof_missing' });
  });

  test.each<[string, object]>([
    ['another method', { htm: 'POST' }],
    ['the method in small letters', { htm: 'get' }],
    ['another path', { htu: `${AUDIENCE}/other` }],
    ['another host', { htu: 'https://evil.example/things' }],
    ['another scheme', { htu: 'http://api.example.com/things' }],
    ['no address', { htu: undefined }],
    ['an address without host', { htu: 'data:things' }],
    ['another token', { ath: sha256('another') }],
    ['no token', { ath: undefined }],
    ['no jti', { jti: undefined }],
    ['an endless jti', { jti: 'x'.repeat(257) }],
    ['no time', { iat: undefined }],
    ['a time that is text', { iat: '1800000000' }],
  ])('with a proof for %s', async (_, claims) => {
    const proof = await authority.proof(key, token, { claims });
    expect(await verifyWith(proof)).toEqual({ ok: false, reason: 'proof_invalid' });
  });

  test.each([
    [-65, true],
    [-66, false],
    [5, true],
    [6, false],
  ])('or not, with a proof made %d s from now: %s', async (offset, accepted) => {
    const proof = await authority.proof(key, token, { claims: { iat: authority.now + offset } });
    expect(await verifyWith(proof)).toMatchObject(accepted ? { ok: true } : { reason: 'proof_invalid' });
  });

  test.each([
    ['another type', { typ: 'JWT' }],
    ['no key', { jwk: undefined }],
    ['a key by reference', { jwk: undefined, jku: 'https://evil.example' }],
  ])('with a proof that has %s', async (_, header) => {
    const proof = await authority.proof(key, token, { header });
    expect(await verifyWith(proof)).toEqual({ ok: false, reason: 'proof_invalid' });
  });

  test('with a proof of another key, also when that names the right one', async () => {
    const other = await newProofKey();
    const proofs = await Promise.all([
      authority.proof(other, token),
      authority.proof({ ...other, publicJwk: key.publicJwk }, token),
    ]);
    for (const proof of proofs) expect(await verifyWith(proof)).toEqual({ ok: false, reason: 'proof_invalid' });
  });

  test('with a proof that gives the private key away', async () => {
    const publicJwk = await exportJWK(key.privateKey);
    expect(publicJwk.d).toBeDefined();
    const proof = await authority.proof({ ...key, publicJwk }, token);
    expect(await verifyWith(proof)).toEqual({ ok: false, reason: 'proof_invalid' });
  });

  test.each(['x', 'a.b.c', `${'a'.repeat(9_000)}.b.c`])('with no proof at all: %.10s', async (proof) => {
    expect(await verifyWith(proof)).toEqual({ ok: false, reason: 'proof_invalid' });
  });

  test('with two proofs in one header', async () => {
    const proof = await authority.proof(key, token);
    expect(await verifyWith(`${proof}, ${proof}`)).toEqual({ ok: false, reason: 'proof_invalid' });
  });
});

test('a proof is used once as long as it could be used at all, however often at the same time', async () => {
  const proof = await authority.proof(key, token);
  const outcomes = await Promise.all(Array.from({ length: 10 }, () => verifyWith(proof)));
  expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1);
  const since = authority.now;
  authority.now += 65;
  expect(await verifyWith(proof)).toEqual({ ok: false, reason: 'proof_replayed' });
  authority.now += 1;
  expect(await verifyWith(proof)).toEqual({ ok: false, reason: 'proof_invalid' });
  authority.now = since;
});

test('jtis of two keys have nothing to do with each other', async () => {
  const other = await newProofKey();
  const claims = { jti: 'the same' };
  expect(await verifyWith(await authority.proof(key, token, { claims }))).toMatchObject({ ok: true });
  token = await authority.token({ cnf: { jkt: other.thumbprint } });
  expect(await verifyWith(await authority.proof(other, token, { claims }))).toMatchObject({ ok: true });
});

test('a proof with a token that is bound to no key is refused', async () => {
  token = await authority.token();
  expect(await verifyWith(await authority.proof(key, token))).toEqual({ ok: false, reason: 'not_bound' });
  expect(await verifyWith(undefined)).toMatchObject({ ok: true });
});

describe('the memory of proofs', () => {
  test('forgets what has expired, and takes no more when it is full', () => {
    const memory = new InProcessProofMemory(2);
    expect([memory.use('a', 60, 0), memory.use('b', 60, 0), memory.use('c', 60, 0)]).toEqual(['new', 'new', 'full']);
    expect([memory.use('a', 60, 59), memory.use('c', 120, 60), memory.use('a', 120, 60)]).toEqual([
      'known',
      'new',
      'new',
    ]);
  });

  test('full, it refuses a proof as nobody’s fault', async () => {
    verifier = authority.verifier({ dpop: { memory: new InProcessProofMemory(0) } });
    expect(await verifyWith(await authority.proof(key, token))).toEqual({ ok: false, reason: 'proof_memory_full' });
  });
});
