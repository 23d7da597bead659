import { startLocalIssuer, type LocalIssuer } from '@countersign/testing';
import { exchange, type Target } from '../support/client';
import { jwtIssuer, role, type Spec } from '../support/documents';
import type { FieldCase, Probe } from './field-cases';

/** A local issuer, and its documents: a JwtIssuer, and a Role that lets in every token of it. */
export interface Trusted {
  name: string;
  issuer: LocalIssuer;
  document: object;
  documents: object[];
}

/** The local issuer's places where the case has placeholders for them. */
function fill(spec: Spec, issuer: LocalIssuer): Spec {
  const places: Record<string, unknown> = { URL: issuer.url, JWKS: `${issuer.url}/jwks`, KEYS: issuer.jwks() };
  return Object.fromEntries(
    Object.entries(spec).map(([field, value]) => [field, (typeof value === 'string' && places[value]) || value]),
  );
}

/** Starts an issuer and writes its documents; nothing is applied. */
export async function trustedIssuer(
  name: string,
  { iss, algorithms = ['ES256'], spec = {}, role: changes = {} }: Omit<FieldCase, 'field' | 'probes'> = {},
): Promise<Trusted> {
  const issuer = await startLocalIssuer({ algorithms, ...(iss === undefined ? {} : { iss }) });
  const document = jwtIssuer(name, issuer.iss, fill(spec, issuer));
  const condition = { StringEqual: { 'jwt:iss': [issuer.iss] } };
  const open = role(name, { policy: ['deploy'], condition, ...changes });
  // It lets in every token of the issuer, whose fields are what is tested: lint refuses that where GitHub's own is named.
  const metadata = { name, annotations: { 'countersign.dev/allow': 'CS001' } };
  return { name, issuer, document, documents: [document, { ...open, metadata }] };
}

/** A token of the issuer as the probe describes it. */
export function probeToken({ issuer }: Trusted, { claims, times = {}, sign = {} }: Omit<Probe, 'says' | 'wants'> = {}) {
  const now = Math.floor(Date.now() / 1000);
  const { iat = 0, nbf, exp = Math.max(300, iat + 300) } = times;
  const { alg, ...options } = sign;
  const key = issuer.keys.find((one) => one.alg === alg) ?? issuer.keys[0];
  return issuer.sign(
    {
      aud: 'https://sts.test',
      sub: 'job:1',
      jti: crypto.randomUUID(),
      // Never issued after its end: that is another fault.
      iat: now + (exp < iat ? exp - 300 : iat),
      exp: now + exp,
      ...(nbf === undefined ? {} : { nbf: now + nbf }),
      ...claims,
    },
    { ...options, ...(key === undefined ? {} : { key }) },
  );
}

/** Exchanges a fresh token of the issuer. */
export const tryToken = async (
  target: Pick<Target, 'url'>,
  trusted: Trusted,
  probe: Omit<Probe, 'says' | 'wants'> = {},
) => exchange(target, await probeToken(trusted, probe));
