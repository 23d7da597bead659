import { FailureLimiter } from '@countersign/redis';
import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { OwnTokens, presentedToken } from '../introspection/own-tokens';
import { refuseRate } from '../token/refusal';
import { RevokeToken } from './revoke-token';

/** Whoever holds a token may revoke it: it is all the authentication there is (RFC 7009 §2.1, public clients). */
@Injectable()
export class RevocationEndpoint {
  constructor(
    private readonly limiter: FailureLimiter,
    private readonly tokens: OwnTokens,
    private readonly revokeToken: RevokeToken,
  ) {}

  /** What is not a token of ours needs no revocation: that is a success too (§2.2). Throws Refusal or UnavailableError. */
  async revoke(request: FastifyRequest): Promise<void> {
    const seconds = await this.limiter.blockedFor(request.ip);
    if (seconds > 0) throw refuseRate(seconds);
    const claims = await this.tokens.verify(presentedToken(request));
    // What strangers send costs a signature check each.
    if (claims === null) await this.limiter.count(request.ip);
    else await this.revokeToken.revoke(claims, { sourceIp: request.ip, trace: request.trace });
  }
}
