import type { IssuerRegistration, TrustedIssuer } from '@countersign/contracts';

/** A trusted issuer as the exchange hears of it: `a`, https://a.test, RS256, and what a document says by default. */
export const trustedIssuer = (changes: Partial<TrustedIssuer> = {}): TrustedIssuer => ({
  name: 'a',
  iss: 'https://a.test',
  aud: ['https://sts.test'],
  tokenExpiry: 900,
  algorithms: ['RS256'],
  clockSkew: 60,
  maxTokenAge: 86_400,
  singleUse: true,
  typ: ['JWT'],
  allowMissingKid: false,
  strictAudience: false,
  carry: [],
  platform: 'generic',
  boundToSubjectExpiry: false,
  ...changes,
});

/** The same as discovery hears of it; its keys come from its own address. */
export const issuerRegistration = (changes: Partial<IssuerRegistration> = {}): IssuerRegistration => ({
  ...trustedIssuer(),
  issInternal: null,
  jwksUri: null,
  jwks: null,
  caCertificate: null,
  disabled: false,
  ...changes,
});
