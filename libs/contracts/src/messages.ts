import type { Jwk, KeyRejectionReason } from '@countersign/tokens';
import { z } from 'zod';
import { jsonObject } from './json-object';
import { permissionsSchema } from './permissions';

/** A request between services: who asks waits at most `timeoutMs`; one replica of the group answers. */
export interface RequestContract<In, Out> {
  natsSubject: string;
  input: z.ZodType<In>;
  output: z.ZodType<Out>;
  timeoutMs: number;
  /**
   * While one request is on its way, the next ones gather and travel in one message; each has its own outcome. One may
   * be put a second time, so answering twice must do no harm; and it is answered as fast as the others, or alone.
   */
  gathers?: boolean;
  /** Where they gather: is this one that must not be put twice, and so goes by itself? */
  isPutOnce?: (input: In) => boolean;
}

/** An announcement between services: every replica that subscribes gets it; nobody answers; it may be lost. */
export interface AnnouncementContract<T> {
  natsSubject: string;
  payload: z.ZodType<T>;
}

const names = z.array(z.string());
/** A public key as JWK (RFC 7517); members beyond `kty` are the business of libs/tokens. */
const jwk = z.custom<Jwk>((value) => typeof value === 'object' && value !== null && 'kty' in value);

const rejectedKey = z.object({
  kid: z.string().nullable(),
  reason: z.custom<KeyRejectionReason>((value) => typeof value === 'string'),
});

const request = <In, Out>(
  natsSubject: string,
  input: z.ZodType<In>,
  output: z.ZodType<Out>,
  timeoutMs = 800,
): RequestContract<In, Out> => ({ natsSubject, input, output, timeoutMs });

const gathering = <In, Out>(
  contract: RequestContract<In, Out>,
  isPutOnce: (input: In) => boolean = () => false,
): RequestContract<In, Out> => ({ ...contract, gathers: true, isPutOnce });

/** What the exchange needs to know of a trusted issuer to verify its tokens; durations in seconds. */
export const trustedIssuerSchema = z.object({
  name: z.string(),
  iss: z.string(),
  aud: names,
  tokenExpiry: z.number(),
  algorithms: names,
  clockSkew: z.number(),
  maxTokenAge: z.number(),
  singleUse: z.boolean(),
  typ: names,
  allowMissingKid: z.boolean(),
  strictAudience: z.boolean(),
  carry: names,
  platform: z.string(),
  boundToSubjectExpiry: z.boolean(),
});

export type TrustedIssuer = z.infer<typeof trustedIssuerSchema>;

/** A trusted issuer as discovery needs it: with where its keys come from. */
export const issuerRegistrationSchema = trustedIssuerSchema.extend({
  issInternal: z.string().nullable(),
  jwksUri: z.string().nullable(),
  jwks: z.object({ keys: z.array(jsonObject) }).nullable(),
  caCertificate: z.string().nullable(),
  disabled: z.boolean(),
});

export type IssuerRegistration = z.infer<typeof issuerRegistrationSchema>;

/**
 * Asked of policy by discovery at its start and at every `policy.changed`. `atLeast`: the revision that was announced;
 * a replica that has not read it yet does so before it answers.
 */
export const listIssuers = request(
  'policy.issuers.list',
  z.object({ atLeast: z.number().int().optional() }),
  z.object({ revision: z.number().int(), issuers: z.array(issuerRegistrationSchema) }),
);

/**
 * Asked of discovery by the exchange: the issuer behind `iss` and its keys for `kid` (all usable keys when the
 * token names none). `unavailable`: trusted, but its keys cannot be had at the moment (503, not a refusal). `pending`:
 * they are being fetched, ask again; so that an answer that takes longer means that discovery is lost.
 */
export const getIssuerKeys = request(
  'discovery.keys.get',
  z.object({ iss: z.string(), kid: z.string().nullable() }),
  z.discriminatedUnion('status', [
    z.object({
      status: z.literal('found'),
      issuer: trustedIssuerSchema,
      keys: z.array(jwk),
      /** Keys of that kid that were not let in, with the reason, so that the trail can name it. */
      rejectedKeys: z.array(rejectedKey),
    }),
    z.object({ status: z.literal('issuer_unknown') }),
    z.object({ status: z.literal('kid_unknown'), issuer: trustedIssuerSchema }),
    z.object({ status: z.literal('unavailable'), issuer: trustedIssuerSchema }),
    z.object({ status: z.literal('pending') }),
  ]),
);

export type IssuerKeys = z.infer<typeof getIssuerKeys.output>;

/** What is wrong with an issuer's keys, or with where they are to be had. */
const issuerProblemSchema = z.object({
  /** Of the issuer. */
  name: z.string(),
  /**
   * `refused`: the document asks for what is never done, so it cannot be stored. `unusable`: as things are, no token
   * of the issuer would be accepted. `partial`: some would not.
   */
  gravity: z.enum(['refused', 'unusable', 'partial']),
  code: z.string(),
  /** JSON Pointer into the document. */
  path: z.string(),
  message: z.string(),
  /** What to do about it. */
  fix: z.string(),
});

export type IssuerProblem = z.infer<typeof issuerProblemSchema>;

/** Asked of discovery by policy when issuers are registered or changed: what is wrong with their keys now. */
export const checkIssuers = request(
  'discovery.issuers.check',
  z.object({ issuers: z.array(issuerRegistrationSchema) }),
  z.object({ problems: z.array(issuerProblemSchema) }),
  8_000,
);

export const exchangeDecisionSchema = z.object({
  effect: z.enum(['Allow', 'Deny']),
  reason: z.string().nullable(),
  detail: z.string().nullable(),
  roles: names,
  shadowRoles: names,
  policies: names,
  statements: z.array(z.object({ policy: z.string(), sid: z.string().nullable() })),
  obligations: z.object({
    /** Audiences the token is to carry; never empty on Allow. */
    audience: names,
    /** Seconds; null where no contributing role caps the lifetime. */
    maxTokenExpiry: z.number().nullable(),
    /** Names of the subject token's claims that the granted statements refer to. */
    claims: names,
  }),
  revision: z.number().int(),
});

/** Asked of policy by the exchange: what may this identity have? `sourceIp` without port; `now` epoch seconds. */
export const decideExchange = gathering(
  request(
    'policy.decide',
    z.object({
      issuer: z.string(),
      claims: jsonObject,
      audiences: names,
      /** Narrowing from `scope` (`role:`, `policy:`); null where the caller named none. */
      roles: names.nullable(),
      policies: names.nullable(),
      /** Narrowing from `authorization_details`; refused unless the policies grant all of it. */
      permissions: permissionsSchema.nullable().optional(),
      sourceIp: z.string().nullable(),
      now: z.number(),
    }),
    exchangeDecisionSchema,
  ),
);

/** The revision of the documents that granted a token its policies; older versions do not say it. */
const grantedAt = z.number().int().optional();

/** Asked of policy by the exchange when one of our own tokens is to be narrowed by whoever holds it. */
export const narrowToken = request(
  'policy.narrow',
  z.object({
    held: z.object({ roles: names, policies: names, grantedAt }),
    scope: z.object({ roles: names.nullable(), policies: names.nullable() }),
    permissions: permissionsSchema.nullable(),
    /** `authorization_details` that the token has already. */
    limitedTo: permissionsSchema.nullable(),
    /** The token's `fed.claims`, `iss` and `sub`. */
    claims: jsonObject,
    sourceIp: z.string().nullable(),
    now: z.number(),
  }),
  z.discriminatedUnion('ok', [
    z.object({ ok: z.literal(true), roles: names, policies: names, revision: z.number().int() }),
    z.object({
      ok: z.literal(false),
      reason: z.enum(['scope_not_allowed', 'address_not_allowed', 'details_not_allowed']),
      detail: z.string(),
      revision: z.number().int(),
    }),
  ]),
);

export type DecideExchangeRequest = z.infer<typeof decideExchange.input>;
export type ExchangeDecisionMessage = z.infer<typeof exchangeDecisionSchema>;

/** Asked of policy by every admin guard: do the policies of this (verified) access token allow the action? */
export const authorizeAdmin = request(
  'policy.authorize',
  z.object({
    policies: names,
    grantedAt,
    /** Roles of the token: their `trustedIps` limit from where it may be used. */
    roles: names.optional(),
    claims: jsonObject,
    action: z.string(),
    resource: z.string(),
    /** `authorization_details` of the token. */
    limitedTo: permissionsSchema.nullable().optional(),
    sourceIp: z.string().nullable(),
  }),
  z.object({ allowed: z.boolean() }),
);

/**
 * Asked of policy by the audit service when a subject's data is to be removed: deletes what its own record has of the
 * subject. `issuer`: name of the JwtIssuer; `subject`: `sub` of the subject token.
 */
export const forgetSubject = request(
  'policy.record.forget',
  z.object({ issuer: z.string(), subject: z.string() }),
  z.object({ forgotten: z.number().int() }),
);

/** Asked of the exchange by every admin guard: our own verification keys (public JWKs). */
export const getVerificationKeys = request(
  'exchange.keys.get',
  z.object({}),
  z.object({ issuer: z.string(), keys: z.array(jwk) }),
);

/** How many tokens of ours a token can have been narrowed from, with room to spare. */
const MAX_PARENTS = 8;

/**
 * Asked of the exchange by every admin guard and by policy about an access token that verified: has it, or one that it
 * was narrowed from, been revoked? Never the token itself. Times in epoch seconds.
 */
export const checkToken = gathering(
  request(
    'exchange.token.check',
    z.object({
      jti: z.string(),
      /** `jti` of the tokens it was narrowed from. */
      parents: names.max(MAX_PARENTS),
      /** Name of the JwtIssuer. */
      issuer: z.string(),
      /** `iss` of the subject token. */
      iss: z.string(),
      roles: names,
      /** What revocation by claim looks at: the carried claims, with the subject token's `sub` and `jti`. */
      claims: jsonObject,
      iat: z.number(),
      exp: z.number(),
      /** Whether this is a use to be counted against `maxUses`; nothing is counted of a revoked token. */
      countUse: z.boolean(),
    }),
    z.object({
      revoked: z.boolean(),
      /** Uses counted so far with this one, those of narrowed tokens included; null where none was to be counted. */
      uses: z.number().int().nullable(),
    }),
  ),
  ({ countUse }) => countUse,
);

export type TokenCheck = z.infer<typeof checkToken.input>;
export type TokenCheckAnswer = z.infer<typeof checkToken.output>;

const announcement = <T>(natsSubject: string, payload: z.ZodType<T>): AnnouncementContract<T> => ({
  natsSubject,
  payload,
});

/** A new revision of the documents is in force. */
export const policyChanged = announcement('policy.changed', z.object({ revision: z.number().int() }));

/** A pin of a repository was deleted: every replica of policy reads them again. */
export const repositoryPinsChanged = announcement('policy.pins.changed', z.object({}));

/** The key set of an issuer is another one than before. */
export const issuerKeysChanged = announcement('discovery.keys.changed', z.object({ iss: z.string() }));

/** Our own key set is another one than before. */
export const verificationKeysChanged = announcement('exchange.keys.changed', z.object({}));

/** What is revoked is not what it was: every replica of the exchange reads it again. */
export const revocationsChanged = announcement('exchange.revocations.changed', z.object({}));
