import { createLocalJWKSet, type JWK } from 'jose';
import { readJson, type Fetch } from './read-json';
import { isObject, isText } from './values';

/** Seconds. */
export interface KeyCaching {
  /** Keys are fetched again after this. */
  maxAge: number;
  /** Least time between two fetches, however many unknown `kid`s arrive and whatever fails. */
  cooldown: number;
  /** So long after the last success keys are used although they cannot be fetched again. */
  maxStale: number;
}

export interface IssuerKeysOptions extends KeyCaching {
  issuer: string;
  fetch: Fetch;
  /** Epoch seconds. */
  now: () => number;
  timeoutMs: number;
  allowHttp: boolean;
}

export type FindKey = ReturnType<typeof createLocalJWKSet>;

interface Loaded {
  kids: ReadonlySet<string>;
  find: FindKey;
  at: number;
}

const ASYMMETRIC = ['EC', 'RSA', 'OKP'];

/** The issuer's published keys: found through its metadata, remembered, fetched again by age and for unknown ones. */
export class IssuerKeys {
  private loaded: Loaded | null = null;
  private loading: Promise<void> | null = null;
  private lastAttempt = -Infinity;

  constructor(private readonly options: IssuerKeysOptions) {}

  async find(kid: string): Promise<FindKey | 'key_unknown' | 'keys_unavailable'> {
    const { now, maxAge, maxStale } = this.options;
    if (this.loaded === null || now() - this.loaded.at >= maxAge) await this.refresh();
    // A key that was published a moment ago: not there yet says nothing.
    if (this.loaded !== null && !this.loaded.kids.has(kid)) await this.refresh();
    const { loaded } = this;
    if (loaded === null || now() - loaded.at >= maxStale) return 'keys_unavailable';
    return loaded.kids.has(kid) ? loaded.find : 'key_unknown';
  }

  /** One fetch at a time; none within the cooldown. What fails leaves the keys as they are. */
  private async refresh(): Promise<void> {
    const { now, cooldown } = this.options;
    if (this.loading === null && now() - this.lastAttempt < cooldown) return;
    this.loading ??= this.load().finally(() => (this.loading = null));
    await this.loading.catch(() => undefined);
  }

  private async load(): Promise<void> {
    const { issuer, now } = this.options;
    const at = now();
    this.lastAttempt = at;
    const metadata = await this.read(`${issuer}/.well-known/openid-configuration`);
    const { issuer: named, jwks_uri: uri } = metadata;
    if (named !== issuer || !isText(uri)) throw new Error('the metadata is not that of the issuer');
    const { keys } = await this.read(uri);
    if (!Array.isArray(keys)) throw new Error('no key set');
    const usable = (keys as unknown[]).filter(isVerificationKey);
    this.loaded = { kids: new Set(usable.map(({ kid }) => kid)), find: createLocalJWKSet({ keys: usable }), at };
  }

  private read(url: string): Promise<Record<string, unknown>> {
    const { fetch, timeoutMs, allowHttp } = this.options;
    assertSecure(url, allowHttp);
    return readJson(url, { fetch, timeoutMs });
  }
}

function isVerificationKey(key: unknown): key is JWK & { kid: string } {
  return isObject(key) && isText(key['kid']) && ASYMMETRIC.includes(String(key['kty'])) && key['d'] === undefined;
}

/** Keys over plain HTTP are anybody's keys; the loopback interface is our own. */
export function assertSecure(url: string, allowHttp: boolean): void {
  const { protocol, hostname } = URL.canParse(url) ? new URL(url) : { protocol: '', hostname: '' };
  const isLoopback = ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
  if (protocol === 'https:' || (protocol === 'http:' && (isLoopback || allowHttp))) return;
  throw new TypeError(`${url} is not an https URL`);
}
