import type { DocumentKind } from '@countersign/contracts';
import { usageFailure } from './failure';

const spellings: Record<string, DocumentKind> = {
  jwtissuer: 'JwtIssuer',
  jwtissuers: 'JwtIssuer',
  issuer: 'JwtIssuer',
  issuers: 'JwtIssuer',
  policy: 'Policy',
  policies: 'Policy',
  role: 'Role',
  roles: 'Role',
};

/** The kind meant by what was typed: any case, singular or plural. */
export function parseKind(text: string): DocumentKind {
  const kind = spellings[text.toLowerCase()];
  if (kind === undefined) throw usageFailure(`there is no kind "${text}"`, 'The kinds are JwtIssuer, Policy and Role.');
  return kind;
}
