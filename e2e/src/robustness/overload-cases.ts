/// <reference types="jest" />
import { eventually, startLocalIssuer, type LocalIssuer, type Stack } from '@countersign/testing';
import { apply, exchangeOnce, type Answer } from '../support/client';
import { acmeWeb, githubClaims } from '../support/documents';

/** More than most machines do in a second; their connections, twice through nginx, fit into the usual 1,024 files. */
const AT_ONCE = process.env.COUNTERSIGN_SOAK === '1' ? 1_500 : 400;
const RETRIES_AT_ONCE = 16;

/** Cases for a stack that nobody stops; `given` is it, once it runs. */
export function overloadCases(given: () => Stack): void {
  describe('R-37: many more exchanges at once than there is time for', () => {
    let issuer: LocalIssuer;

    beforeAll(async () => {
      issuer = await startLocalIssuer({ algorithms: ['ES256'] });
      await apply(given(), acmeWeb(issuer.iss, { spec: { algorithms: ['ES256'] } }));
    });

    afterAll(() => issuer?.stop());

    const sign = (): Promise<string> => issuer.sign(githubClaims(issuer.iss));

    it('end in a token or in 503 with Retry-After, health answers, and who comes again gets a token', async () => {
      const tokens = await Promise.all(Array.from({ length: AT_ONCE }, sign));
      const attempts = Promise.all(tokens.map(async (token) => ({ token, ...(await exchangeOnce(given(), token)) })));
      expect((await fetch(`${given().url}/health/live`)).status).toBe(200);
      const answers = await attempts;
      expect(answers.map(shown).filter((one) => !['200', '503 temporarily_unavailable, later'].includes(one))).toEqual(
        [],
      );
      expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(0);
      const refused = answers.filter(({ status }) => status === 503).map(({ token }) => token);
      await eventually(async () => expect((await exchangeOnce(given(), await sign())).status).toBe(200));
      const again = async (): Promise<void> => {
        for (let token = refused.pop(); token !== undefined; token = refused.pop()) {
          const one = token;
          await eventually(async () => expect((await exchangeOnce(given(), one)).status).toBe(200));
        }
      };
      await Promise.all(Array.from({ length: RETRIES_AT_ONCE }, again));
    });
  });
}

const shown = ({ status, headers, body }: Answer): string =>
  status === 200 ? '200' : `${status} ${body.error}${Number(headers.get('retry-after')) > 0 ? ', later' : ''}`;
