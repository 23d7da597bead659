import { verifyAccessToken, type AccessTokenClaims } from '@countersign/tokens';
import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ExchangeConfig } from '../config';
import { SigningKeys } from '../keys/signing-keys';
import { refuseRequest } from '../token/refusal';
import { readForm, required } from '../token/token-form';

/** Reads `token` from the form of RFC 7009 §2.1 and RFC 7662 §2.1; `token_type_hint` tells us nothing. Throws Refusal. */
export function presentedToken({ headers, url, body }: FastifyRequest): string {
  const [, query = ''] = url.split('?', 2);
  if (new URLSearchParams(query).has('token'))
    throw refuseRequest('invalid_request', 'token must not be in the query string');
  return required(readForm({ contentType: headers['content-type'], query, body, lenientScope: false }), 'token');
}

/** Verifies tokens that are said to be ours; whether they are revoked is another question. */
@Injectable()
export class OwnTokens {
  constructor(
    private readonly config: ExchangeConfig,
    private readonly signingKeys: SigningKeys,
  ) {}

  /** Null for anything that is not, or no longer, a token of ours. Throws UnavailableError. */
  async verify(token: string): Promise<AccessTokenClaims | null> {
    const { publicUrl } = this.config;
    const keys = this.signingKeys.verificationKeys();
    const now = Math.floor(Date.now() / 1000);
    const verified = verifyAccessToken({ token, keys, publicUrl, audience: null, now });
    return verified.ok ? verified.claims : null;
  }
}
