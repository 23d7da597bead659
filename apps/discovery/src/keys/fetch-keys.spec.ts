import type { IssuerRegistration } from '@countersign/contracts';
import { SafeHttpError, type SafeGetOptions, type SafeHttp, type SafeHttpReason } from '@countersign/safe-http';
import { issuer, publicKey } from './cluster.fixture';
import { fetchKeys } from './fetch-keys';

type Answer = { body: unknown; cacheControl?: string; status?: number };

/** Answers by URL; remembers what it was asked for. */
function httpWith(answers: Record<string, Answer | SafeHttpReason>) {
  const asked: { url: string; options: SafeGetOptions }[] = [];
  const get = async (url: string, options: SafeGetOptions) => {
    asked.push({ url, options });
    const answer = answers[url] ?? 'connect';
    if (typeof answer === 'string') throw new SafeHttpError(answer, 'failed');
    const { body, status = 200, cacheControl } = answer;
    const headers = cacheControl === undefined ? {} : { 'cache-control': cacheControl };
    return { status, headers, body: typeof body === 'string' ? body : JSON.stringify(body), url };
  };
  return { asked, http: { get } as unknown as SafeHttp };
}

const JWKS = 'https://keys.test/jwks';
const METADATA = 'https://a.test/.well-known/openid-configuration';
const keys = { keys: [{ ...publicKey('k1') }] };
const fixed = { ...issuer, jwksUri: JWKS };
const fetchFrom = (answer: Answer | SafeHttpReason, registered: IssuerRegistration = fixed) =>
  fetchKeys(httpWith({ [JWKS]: answer }).http, registered);

describe('where keys come from', () => {
  it.each<[string, Partial<IssuerRegistration>, string[]]>([
    ['discovery', {}, [METADATA, JWKS]],
    ['discovery, a slash at the end', { iss: 'https://a.test/' }, [METADATA, JWKS]],
    [
      'discovery elsewhere',
      { issInternal: 'https://in.test/x/' },
      ['https://in.test/x/.well-known/openid-configuration', JWKS],
    ],
    ['a URL', { jwksUri: JWKS }, [JWKS]],
    ['the document', { jwks: keys }, []],
  ])('%s', async (_, spec, urls) => {
    const registered = { ...issuer, ...spec };
    const metadata: Answer = { body: { issuer: registered.iss, jwks_uri: JWKS } };
    const { asked, http } = httpWith({
      ...Object.fromEntries(urls.map((url) => [url, metadata])),
      [JWKS]: { body: keys },
    });
    expect((await fetchKeys(http, registered)).keys).toEqual(keys.keys);
    expect(asked.map(({ url }) => url)).toEqual(urls);
  });

  it('is asked within five seconds altogether, with the certificates of the document', async () => {
    const { asked, http } = httpWith({
      [METADATA]: { body: { issuer: issuer.iss, jwks_uri: JWKS } },
      [JWKS]: { body: keys },
    });
    await fetchKeys(http, { ...issuer, caCertificate: 'PEM' });
    const [first, second] = asked.map(({ options }) => options);
    expect(first).toMatchObject({ caCertificate: 'PEM' });
    expect(second).toMatchObject({ caCertificate: 'PEM' });
    expect(first?.timeoutMs).toBeLessThanOrEqual(5_000);
    expect(second?.timeoutMs).toBeLessThan(first?.timeoutMs ?? 0);
  });
});

it.each<[string | undefined, number]>([
  [undefined, 600],
  ['max-age=300', 300],
  ['public, max-age=300, must-revalidate', 300],
  ['MAX-AGE="120"', 120],
  ['max-age=1', 60],
  ['max-age=0', 60],
  ['max-age=315360000', 600],
  [`max-age=${'9'.repeat(400)}`, 600],
  ['max-age=1e99', 60],
  ['max-age=-1', 60],
  ['max-age=', 600],
  ['s-maxage=90', 600],
  ['no-store', 60],
  ['no-cache, max-age=300', 60],
  [', ,,', 600],
])('Cache-Control %j makes keys %d seconds old at most (JWK-26)', async (cacheControl, seconds) => {
  const { maxAgeSeconds } = await fetchFrom({ body: keys, ...(cacheControl === undefined ? {} : { cacheControl }) });
  expect(maxAgeSeconds).toBe(seconds);
});

it.each<[Answer | SafeHttpReason, string, string]>([
  ['dns', 'unreachable', 'dns'],
  ['tls', 'unreachable', 'tls'],
  ['timeout', 'unreachable', 'timeout'],
  ['scheme', 'invalid', 'scheme'],
  ['address', 'invalid', 'address'],
  ['redirect', 'invalid', 'redirect'],
  ['too_large', 'invalid', 'too_large'],
  [{ body: keys, status: 500 }, 'unreachable', 'answered 500'],
  [{ body: keys, status: 204 }, 'unreachable', 'answered 204'],
  [{ body: '<html>' }, 'invalid', 'not a JSON object'],
  [{ body: '['.repeat(200_000) }, 'invalid', 'not a JSON object'],
  [{ body: [] }, 'invalid', 'not a JSON object'],
  [{ body: {} }, 'invalid', 'no usable key'],
  [{ body: { keys: [] } }, 'invalid', 'no usable key'],
  [{ body: { keys: {} } }, 'invalid', 'no usable key'],
  [{ body: { keys: [null, 1, []] } }, 'invalid', 'no usable key'],
  [{ body: { keys: [{ kty: 'oct', kid: 'x', k: 'AA' }] } }, 'invalid', 'no usable key (key_symmetric)'],
])('%j is an error that says so: %s (JWK-14)', async (answer, kind, message) => {
  await expect(fetchFrom(answer)).rejects.toMatchObject({ kind, message: expect.stringContaining(message) as string });
});

it('an error shows of a URL what people can read', async () => {
  const jwksUri = `https://keys.test/\u001b[31m${'x'.repeat(10_000)}`;
  const error = (await fetchKeys(httpWith({}).http, { ...issuer, jwksUri }).catch(
    (reason: unknown) => reason,
  )) as Error;
  expect(error.message).toMatch(/^cannot fetch https:\/\/keys\.test\/\?\[31mx{100,200}: connect$/);
});
