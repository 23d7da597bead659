import { parseKey, platforms, type JwtIssuerSpec } from '@countersign/policy-engine';
import { z } from 'zod';
import { duration, isPlainUrl, listOf, listOrNone, nonEmpty, reject, text } from './documents-fields';
import { claimForm, publicKeyForm, urlForm } from './documents-json-forms';
import { defaultCarry, inferPlatform, namesTenant } from './documents-platform';

const minute = 60;
const hour = 3_600;

const asymmetric = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];

const algorithm = z
  .string()
  .superRefine((value, ctx) => {
    if (asymmetric.includes(value)) return;
    const forbidden = /^(none|hs\d+)$/i.test(value);
    if (forbidden) reject(ctx, 'forbidden_algorithm', 'none and HMAC prove nothing about the issuer');
    else reject(ctx, 'invalid_value', `must be one of ${asymmetric.join(', ')}`);
  })
  .meta({ enum: asymmetric });

const url = text('invalid_url', 'must be an http(s) URL without user, query and fragment', isPlainUrl).meta(urlForm);

/** Endpoints of Entra that sign for whoever comes (CNF-14). */
const multiTenant =
  /^https:\/\/(login\.microsoftonline\.(com|us)|login\.partner\.microsoftonline\.cn|sts\.windows\.net)\/(common|organizations|consumers)(\/|$)/i;

const isMultiTenant = (iss: string): boolean => /[{}]/.test(iss) || multiTenant.test(iss);

/** What is wrong with an iss by itself, whether or not it is a URL. */
function issError(iss: string): [code: string, message: string] | null {
  if (iss === '') return ['empty_value', 'must not be empty'];
  if (iss.length > 2_048) return ['too_long', 'must have 2048 characters at most'];
  if (/[\s\u0000-\u001f\u007f]/.test(iss)) return ['invalid_value', 'must not hold spaces or control characters'];
  if (!isMultiTenant(iss)) return null;
  return ['multi_tenant_issuer', 'stands for many tenants; register the issuer of each tenant'];
}

const issuerUrl = z
  .string()
  .superRefine((value, ctx) => {
    const error = issError(value);
    if (error !== null) reject(ctx, ...error);
  })
  .meta({ minLength: 1, maxLength: 2_048, pattern: '^[^\\s\\u0000-\\u001f\\u007f{}]*$' });

const audience = text('invalid_audience', 'must be an audience that only this service accepts', (value) =>
  /^(?!\*+$)[^\s\u0000-\u001f]+$/.test(value),
).meta({ pattern: '^(?!\\*+$)[^\\s\\u0000-\\u001f]+$' });

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'];

/** A public key (RFC 7517). */
const publicJwk = z
  .looseObject({ kty: z.string() })
  .superRefine((key, ctx) => {
    const secret = privateMembers.find((member) => Object.hasOwn(key, member));
    if (secret) reject(ctx, 'private_key', 'must be a public key', [secret]);
    else if (key.kty === 'oct') reject(ctx, 'private_key', 'must be a public key', ['kty']);
  })
  .meta(publicKeyForm(privateMembers));

/** A claim's name or JSON Pointer; the spelling of condition keys is accepted. */
const claimName = nonEmpty.meta(claimForm).transform((written, ctx) => {
  const name = written.replace(/^jwt:/, '');
  if (parseKey(`jwt:${name}`) === null) reject(ctx, 'invalid_claim', 'must be the name of a claim or a JSON Pointer');
  return name;
});

/** Types of JWT that are never a caller's own token, whoever signed them (CNF-10). */
const forbiddenTypes = ['logout+jwt', 'secevent+jwt', 'dpop+jwt', 'jwe'];

const tokenType = text('forbidden_type', 'is no type of token that identifies a caller', (value) => {
  const name = value.toLowerCase().replace(/^application\//, '');
  return /^[!-~]+$/.test(name) && !forbiddenTypes.includes(name);
}).meta({ pattern: '^[!-~]+$' });

/** PEM certificates with any text between them (RFC 7468 section 2), and nothing else in PEM. */
function isCertificateBundle(value: string): boolean {
  const edges = [...value.matchAll(/-----(BEGIN|END) ([^\n-]*)-----/g)].map(([, edge, label]) => `${edge} ${label}`);
  const isPaired = edges.every((edge, index) => edge === (index % 2 === 0 ? 'BEGIN CERTIFICATE' : 'END CERTIFICATE'));
  if (edges.length === 0 || edges.length % 2 === 1 || !isPaired) return false;
  const bodies = value.match(/(?<=-----BEGIN CERTIFICATE-----)[^-]*(?=-----END CERTIFICATE-----)/g) ?? [];
  const isBase64 = (body: string): boolean => /^[A-Za-z0-9+/]+={0,2}$/.test(body.replaceAll(/\s/g, ''));
  return bodies.length === edges.length / 2 && bodies.every(isBase64);
}

/** JwtIssuer.spec as it may be written. */
export const issuerFields = z.strictObject({
  iss: issuerUrl,
  aud: listOf(audience),
  tokenExpiry: duration({ from: minute, to: 24 * hour, says: '1m to 24h' }).optional(),
  issInternal: url.optional(),
  jwksUri: url.optional(),
  jwks: z.looseObject({ keys: z.array(publicJwk).min(1).max(100) }).optional(),
  caCertificate: text(
    'invalid_pem',
    'must be PEM certificates (-----BEGIN CERTIFICATE-----), and no keys',
    isCertificateBundle,
  )
    .meta({ pattern: '-----BEGIN CERTIFICATE-----' })
    .optional(),
  algorithms: listOf(algorithm).optional(),
  clockSkew: duration({ from: 0, to: 5 * minute, says: 'at most 5m' }).optional(),
  maxTokenAge: duration({ from: 1, to: 24 * hour, says: '1s to 24h' }).optional(),
  singleUse: z.boolean().optional(),
  typ: listOf(tokenType).optional(),
  allowMissingKid: z.boolean().optional(),
  strictAudience: z.boolean().optional(),
  carry: listOrNone(claimName).optional(),
  platform: z.enum(platforms).optional(),
  pins: listOrNone(claimName).optional(),
  boundToSubjectExpiry: z.boolean().optional(),
  disabled: z.boolean().optional(),
});

/** JwtIssuer.spec as written -> normalised, defaults filled in. */
export const issuerSpec = issuerFields
  .superRefine((spec, ctx) => {
    if (issError(spec.iss) !== null) return;
    const keysFrom = spec.issInternal ?? spec.jwksUri ?? spec.jwks;
    const isEntra = (spec.platform ?? inferPlatform(spec.iss)) === 'entra';
    if (keysFrom === undefined && !isPlainUrl(spec.iss)) {
      const message = 'must be an http(s) URL, or jwks, jwksUri or issInternal must say where keys are';
      reject(ctx, 'invalid_url', message, ['iss']);
    } else if (isEntra && !namesTenant(spec.iss)) {
      reject(ctx, 'tenant_missing', "must hold the tenant's id, as the iss of its tokens does", ['iss']);
    }
  })
  .transform((spec): JwtIssuerSpec => {
    const platform = spec.platform ?? inferPlatform(spec.iss);
    return {
      ...sources(spec),
      ...flags(spec),
      iss: spec.iss,
      aud: spec.aud,
      tokenExpiry: spec.tokenExpiry ?? 15 * minute,
      algorithms: spec.algorithms ?? ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'],
      clockSkew: spec.clockSkew ?? minute,
      maxTokenAge: spec.maxTokenAge ?? 24 * hour,
      typ: spec.typ ?? ['JWT'],
      carry: spec.carry ?? [...defaultCarry[platform]],
      platform,
      pins: spec.pins ?? [],
    };
  });

type Fields = z.output<typeof issuerFields>;

const sources = ({ issInternal, jwksUri, jwks, caCertificate }: Fields) => ({
  issInternal: issInternal ?? null,
  jwksUri: jwksUri ?? null,
  jwks: jwks ? { keys: jwks.keys } : null,
  caCertificate: caCertificate ?? null,
});

const flags = (spec: Fields) => ({
  singleUse: spec.singleUse ?? true,
  allowMissingKid: spec.allowMissingKid ?? false,
  strictAudience: spec.strictAudience ?? false,
  boundToSubjectExpiry: spec.boundToSubjectExpiry ?? false,
  disabled: spec.disabled ?? false,
});
