import type { IssuerProblem, IssuerRegistration } from '@countersign/contracts';
import type { SafeHttp, SafeHttpReason } from '@countersign/safe-http';
import { isKeyFor, type Jwk } from '@countersign/tokens';
import { KeyFetchError, fetchKeys, type FetchedKeys } from '../keys/fetch-keys';

const MAX_LISTED = 10;

type Found = Omit<IssuerProblem, 'name'>;

/** Fetches an issuer's keys as its document says and tells what is wrong with them; keeps nothing, never throws. */
export async function checkIssuer(http: SafeHttp, issuer: IssuerRegistration): Promise<IssuerProblem[]> {
  const found = refusedUrl(http, issuer) ?? (await tryKeys(http, issuer));
  return found.map((problem) => ({ name: issuer.name, ...problem }));
}

/** Where the keys come from: the field that says so and, unless they stand in the document, its URL. */
function sourceOf({ iss, issInternal, jwksUri, jwks }: IssuerRegistration): { path: string; url: string | null } {
  if (jwks !== null) return { path: '/spec/jwks', url: null };
  if (jwksUri !== null) return { path: '/spec/jwksUri', url: jwksUri };
  return issInternal === null ? { path: '/spec/iss', url: iss } : { path: '/spec/issInternal', url: issInternal };
}

const urlAdvice: Partial<Record<SafeHttpReason, string>> = {
  scheme: 'Use https. http is only for loopback in development, with COUNTERSIGN_ALLOW_LOOPBACK_ISSUERS.',
  address:
    'Use a public address. Private ranges are opened with COUNTERSIGN_ALLOWED_PRIVATE_CIDRS, loopback in development with COUNTERSIGN_ALLOW_LOOPBACK_ISSUERS.',
  userinfo: 'Leave out user and password.',
};

/** The rule of every outbound request, asked before the document is stored: what it refuses is never called. */
function refusedUrl(http: SafeHttp, issuer: IssuerRegistration): Found[] | null {
  const { path, url } = sourceOf(issuer);
  const checked = url === null ? { ok: true as const } : http.checkUrl(url);
  if (checked.ok) return null;
  const message = `keys are never fetched from this URL (${checked.reason})`;
  const fix = urlAdvice[checked.reason] ?? 'Write an absolute https URL.';
  return [{ gravity: 'refused', code: 'url_refused', path, message, fix }];
}

async function tryKeys(http: SafeHttp, issuer: IssuerRegistration): Promise<Found[]> {
  const { path } = sourceOf(issuer);
  try {
    return judge(await fetchKeys(http, issuer), issuer);
  } catch (error) {
    const known = error instanceof KeyFetchError ? error : new KeyFetchError('unreachable', 'the fetch failed');
    const { kind, message } = known;
    return [{ gravity: 'unusable', code: `issuer_${kind}`, path, message, fix: fetchAdvice[kind] }];
  }
}

const fetchAdvice: Record<KeyFetchError['kind'], string> = {
  unreachable:
    'Make the URL reachable from discovery: network, proxy, DNS, TLS (caCertificate names a private CA), private addresses (COUNTERSIGN_ALLOWED_PRIVATE_CIDRS). Discovery goes on trying; until then tokens of this issuer are answered 503.',
  invalid:
    'Compare iss, byte for byte, with what the discovery document calls its issuer, and see that it publishes public RSA (2048 bits and more), EC or Ed25519 keys; or say where the keys are with issInternal, jwksUri or jwks.',
};

function judge({ keys, rejected }: FetchedKeys, issuer: IssuerRegistration): Found[] {
  const { algorithms, allowMissingKid } = issuer;
  const found: Found[] = [];
  if (!keys.some((key) => algorithms.some((alg) => fits(key, alg)))) {
    found.push({
      gravity: 'unusable',
      code: 'issuer_keys_unfit',
      path: '/spec/algorithms',
      message: `none of the issuer's keys is for ${algorithms.join(', ')}`,
      fix: `Name the algorithms that the issuer signs with. Its keys are: ${listed(keys.map(({ alg, crv, kty }) => alg ?? crv ?? kty))}.`,
    });
  }
  if (!allowMissingKid && keys.every(({ kid }) => kid === undefined)) {
    const message = "none of the issuer's keys has a kid, so no token can name one";
    const fix = 'Set allowMissingKid when the issuer has one key and its tokens carry no kid.';
    found.push({ gravity: 'unusable', code: 'issuer_keys_without_kid', path: '/spec/allowMissingKid', message, fix });
  }
  if (rejected.length > 0) {
    const message = `keys were rejected: ${listed(rejected.map(({ kid, reason }) => `${kid ?? '(no kid)'} ${reason}`))}`;
    const fix =
      'Tokens signed with them are refused; have the issuer replace them. docs/errors.md explains the reasons.';
    found.push({ gravity: 'partial', code: 'issuer_keys_rejected', path: sourceOf(issuer).path, message, fix });
  }
  return found;
}

const fits = (key: Jwk, alg: string): boolean => (key.alg === undefined || key.alg === alg) && isKeyFor(key, alg);

function listed(entries: readonly string[]): string {
  const shown = [...new Set(entries)].slice(0, MAX_LISTED).join(', ');
  return entries.length > MAX_LISTED ? `${shown} and more` : shown;
}
