import { createHash } from 'node:crypto';
import { FailureLimiter } from '@countersign/redis';
import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { newAttempt, type Attempt } from '../trail/attempt';
import { ExchangeTrail } from '../trail/exchange-trail';
import { DpopProofs } from './dpop-proofs';
import { ExchangeToken } from './exchange-token';
import { Refusal, refuseRate } from './refusal';
import type { TokenAnswer } from './token-issuer';
import { parseTokenRequest } from './token-request';

/** From the HTTP request to the use case and, refused, into the trail: what happens around every attempt. */
@Injectable()
export class TokenEndpoint {
  constructor(
    private readonly limiter: FailureLimiter,
    private readonly proofs: DpopProofs,
    private readonly exchangeToken: ExchangeToken,
    private readonly trail: ExchangeTrail,
  ) {}

  async answer(
    request: FastifyRequest,
    reply: FastifyReply,
    { lenientScope }: { lenientScope: boolean },
  ): Promise<TokenAnswer> {
    const attempt = newAttempt('oauth', request);
    attempts.set(request, attempt);
    try {
      const seconds = await this.limiter.blockedFor(request.ip);
      if (seconds > 0) throw refuseRate(seconds);
      const [path = '', query = ''] = request.url.split('?', 2);
      const contentType = request.headers['content-type'];
      attempt.request = parseTokenRequest({ contentType, query, body: request.body, lenientScope });
      attempt.jkt = await this.proofs.thumbprint(request.headers.dpop, path);
      if (attempt.jkt !== null) void reply.header('dpop-nonce', this.proofs.nonce());
      return await this.exchangeToken.exchange(attempt.request, attempt);
    } catch (error) {
      throw error instanceof Refusal ? await this.refused(attempt, error) : error;
    }
  }

  /** Records the refusal; whoever was refused too often learns that instead, and is counted, not recorded. */
  private async refused(attempt: Attempt, refusal: Refusal): Promise<Refusal> {
    if (refusal.record.reason === 'rate_limited') {
      this.trail.counted(refusal);
      return refusal;
    }
    const keys = limitedBy(attempt);
    await Promise.all(keys.map((key) => this.limiter.count(key)));
    const waits = await Promise.all(keys.map((key) => this.limiter.blockedFor(key)));
    const seconds = Math.max(...waits);
    if (attempt.subject !== null && seconds > 0) {
      this.trail.counted(refusal);
      return refuseRate(seconds);
    }
    await this.trail.denied(attempt, refusal);
    return refusal;
  }
}

/**
 * Whose budget a refusal is taken from: the address while anyone could have caused it, the identity and its issuer
 * once the signature was verified. What is granted counts for nobody, so a flood of one never slows down the others.
 */
function limitedBy({ subject, sourceIp }: Attempt): string[] {
  if (subject === null) return [sourceIp];
  const identity = createHash('sha256')
    .update(JSON.stringify([subject.issuer, subject.sub]))
    .digest('hex');
  return [`subject:${identity}`, `issuer:${subject.issuer}`];
}

const attempts = new WeakMap<FastifyRequest, Attempt>();

/** The attempt that a request made, for whoever writes its error. */
export const attemptOf = (request: FastifyRequest): Attempt | null => attempts.get(request) ?? null;
