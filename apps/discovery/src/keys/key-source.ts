import { createHash } from 'node:crypto';
import type { IssuerRegistration } from '@countersign/contracts';

/** Everything that decides where an issuer's keys come from: keys of one source are never used for another. */
export const sourceOf = ({ iss, issInternal, jwksUri, jwks, caCertificate }: IssuerRegistration): string =>
  createHash('sha256')
    .update(JSON.stringify([iss, issInternal, jwksUri, jwks, caCertificate]))
    .digest('hex');
