import { Recorder } from '@countersign/testing';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose';

/** Stands in for the max-age of the JWKS, so that a test sees many of them. */
const MAX_AGE_MS = 400;

/**
 * The strictest verifier there is: for the whole life of its copy of the keys it asks nobody, not even about a kid it
 * does not know.
 */
export class CachingVerifier {
  /** When a copy was asked for. */
  readonly fetches = new Recorder<number>();
  readonly failures: string[] = [];
  private copy: { keys: Promise<JSONWebKeySet>; until: number } | undefined;

  constructor(
    private readonly jwksUrl: string,
    private readonly issuer: string,
  ) {}

  async verify(token: string): Promise<void> {
    const keys = createLocalJWKSet(await this.keys());
    await jwtVerify(token, keys, { issuer: this.issuer, typ: 'at+jwt' }).catch((error: unknown) => {
      this.failures.push(String(error));
    });
  }

  private keys(): Promise<JSONWebKeySet> {
    if (this.copy !== undefined && performance.now() < this.copy.until) return this.copy.keys;
    const keys = fetch(this.jwksUrl).then((response) => response.json() as Promise<JSONWebKeySet>);
    this.copy = { keys, until: performance.now() + MAX_AGE_MS };
    this.fetches.add(this.copy.until);
    return keys;
  }
}
