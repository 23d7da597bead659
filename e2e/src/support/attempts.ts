import { eventually, generous, type LocalIssuer, type Stack } from '@countersign/testing';
import { admin, claimsOf, exchangeOnce, type Answer } from './client';
import { githubClaims } from './documents';

/** A second, and the way there and back. */
const WITHIN_MS = generous(1_200);

/** Exchanges of one job after the other, while something is wrong; what was issued is remembered. */
export class Attempts {
  /** The `jti` of each token that was delivered. */
  readonly issued: string[] = [];

  constructor(
    private readonly stack: Stack,
    private readonly issuer: LocalIssuer,
  ) {}

  token(): Promise<string> {
    return this.issuer.sign(githubClaims(this.issuer.iss));
  }

  /** Never accepts anything but the documented answers. */
  async once(subjectToken?: string): Promise<Answer> {
    const answer = await exchangeOnce(this.stack, subjectToken ?? (await this.token()));
    expect([200, 400, 503]).toContain(answer.status);
    if (answer.status === 200) this.issued.push(String(claimsOf(answer.body.access_token).jti));
    return answer;
  }

  /** A 503 as documented, within a second. */
  async expectUnavailable(subjectToken?: string): Promise<void> {
    const start = performance.now();
    const { status, body, headers } = await this.once(subjectToken);
    expect({ status, body: { ...body, trace_id: '' } }).toEqual({
      status: 503,
      body: { error: 'temporarily_unavailable', error_description: 'try again later', trace_id: '' },
    });
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(performance.now() - start).toBeLessThan(WITHIN_MS);
  }

  /** Goes on until one is refused with 503, which comes soon; resolves with its subject token. */
  async untilUnavailable(most: number): Promise<string> {
    for (let count = 0; count < most; count += 1) {
      const subjectToken = await this.token();
      const { status } = await this.once(subjectToken);
      if (status === 503) return subjectToken;
    }
    throw new Error(`${most} exchanges, and none was refused`);
  }

  /** Resolves with the milliseconds until this token, or a new one, is exchanged. */
  async untilGranted(subjectToken?: string): Promise<number> {
    const start = performance.now();
    await eventually(async () => {
      const { status, body } = await this.once(subjectToken);
      if (status !== 200) throw new Error(`still ${status} ${JSON.stringify(body)}`);
    });
    return performance.now() - start;
  }

  /** Resolves when all that was issued is in the trail, each once. */
  async recorded(): Promise<void> {
    await eventually(async () => {
      const path = '/v1/events?type=dev.countersign.exchange.granted.v1&limit=500';
      const { status, body } = await admin(this.stack, 'GET', path);
      if (status !== 200) throw new Error(`events: ${status}`);
      const jtis = (body.items as { data: { token: { jti: string } } }[]).map(({ data }) => data.token.jti);
      expect(new Set(jtis).size).toBe(jtis.length);
      const missing = this.issued.filter((jti) => !jtis.includes(jti));
      if (missing.length > 0) throw new Error(`${missing.length} of ${this.issued.length} are missing`);
    });
  }
}
