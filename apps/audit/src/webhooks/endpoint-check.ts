import type { WebhookAnswer } from '@countersign/contracts';
import { refuseFields } from '@countersign/platform';
import { SafeHttp, SafeHttpError } from '@countersign/safe-http';
import { handshakeHeaders, readHandshake } from '@countersign/webhooks';
import { Injectable } from '@nestjs/common';
import { AuditConfig } from '../config';

const TIMEOUT_MS = 5_000;

/** What an endpoint must pass before anything is delivered to it. */
@Injectable()
export class EndpointCheck {
  constructor(
    private readonly http: SafeHttp,
    private readonly config: AuditConfig,
  ) {}

  /** @throws ProblemError 422 when the URL may not be called */
  url(url: string): void {
    const checked = this.http.checkUrl(url);
    if (!checked.ok) throw refusal('url_not_allowed', `The URL may not be called: ${checked.reason}.`);
  }

  /**
   * Asks the receiver whether it wants our deliveries, where the endpoint is to be asked. Resolves with how many a second
   * it allows.
   * @throws ProblemError 422 when it does not; nothing of its answer is shown
   */
  async handshake(endpoint: Pick<WebhookAnswer, 'url' | 'handshake' | 'maxPerSecond'>): Promise<number> {
    const { url, handshake, maxPerSecond: perSecond } = endpoint;
    if (!handshake) return perSecond;
    const request = { origin: new URL(this.config.publicUrl).hostname, perSecond };
    const answer = await this.http
      .preflight(url, { timeoutMs: TIMEOUT_MS, headers: handshakeHeaders(request) })
      .catch((error: unknown) => {
        throw error instanceof SafeHttpError ? handshakeRefusal(error.reason) : error;
      });
    const result = readHandshake(answer, request);
    if (!result.ok) throw handshakeRefusal(result.reason);
    return result.perSecond;
  }
}

const handshakeRefusal = (reason: string) =>
  refusal('handshake_failed', `The receiver did not agree to our deliveries: ${reason}.`);

const refusal = (code: string, message: string) => refuseFields([{ path: '/url', code, message }]);
