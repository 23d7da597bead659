/// <reference types="jest" />
import {
  claimFiles,
  claimSets,
  generateIssuerKey,
  loadClaims,
  startLocalIssuer,
  type Claims,
  type IssuerAlgorithm,
  type IssuerKey,
  type LocalIssuer,
  type Stack,
} from '@countersign/testing';
import { apply, claimsOf, eventsOf, exchange } from '../support/client';
import { jwtIssuer, policy, role } from '../support/documents';
import { REAL_CLAIMS, type RealClaimsCase } from './cases';

const nameOf = (file: string): string => file.replace('.json', '');

/** The same claims with one of them changed (or removed by undefined). */
function withChange(claims: Claims, pointer: string, value: unknown): Claims {
  const copy = structuredClone(claims);
  const path = pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = path.pop() ?? '';
  const parent = path.reduce<Claims>((object, part) => object[part] as Claims, copy);
  if (value === undefined) delete parent[last];
  else parent[last] = value;
  return copy;
}

/** What distinguishes the issuers behind one `iss`: all their audiences, and where their keys are here. */
function issuerDocuments(issuers: Map<string, LocalIssuer>): object[] {
  const named = claimSets().map(({ iss, provider, aud }) => ({ iss, provider, aud: [aud].flat() }));
  return [...issuers].map(([iss, local], index) => {
    const aud = [...new Set(named.filter((set) => set.iss === iss).flatMap((set) => set.aud))];
    return jwtIssuer(`issuer-${index}`, iss, { aud, issInternal: local.url });
  });
}

function roleDocument({ file, principal, condition }: RealClaimsCase, iss: string): object {
  return role(nameOf(file), {
    policy: ['deploy'],
    ...(principal === undefined ? {} : { principal: { 'jwt:sub': principal } }),
    condition: { ...condition, StringEqual: { 'jwt:iss': [iss], ...condition.StringEqual } },
  });
}

/** Cases for a stack that nobody stops; `given` is it, once it runs. */
export function realClaimsCases(given: () => Stack): void {
  describe('the recorded claim sets of 27 platforms, in the distributed mode', () => {
    const issuers = new Map<string, LocalIssuer>();
    const es384Keys = new Map<string, IssuerKey>();
    let stack: Stack;

    const sign = (claims: Claims, file: string): Promise<string> => {
      const issuer = issuers.get(claims.iss as string);
      if (issuer === undefined) throw new Error(`nobody signs for ${String(claims.iss)}`);
      const key = es384Keys.get(file);
      return issuer.sign(claims, key === undefined ? {} : { key });
    };

    beforeAll(async () => {
      for (const { iss, jwsHeader, file } of claimSets()) {
        const algorithm = jwsHeader.alg as IssuerAlgorithm;
        const issuer = issuers.get(iss) ?? (await startLocalIssuer({ iss, algorithms: [algorithm] }));
        issuers.set(iss, issuer);
        const { kid } = jwsHeader as { kid?: string };
        if (kid === undefined) continue;
        const key = await generateIssuerKey(algorithm, kid);
        issuer.keys.unshift(key);
        es384Keys.set(file, key);
      }
      stack = given();
      const roles = REAL_CLAIMS.map((one) => roleDocument(one, loadClaims(one.file).iss as string));
      await apply(stack, [policy('deploy', ['Function:Deploy'], ['staging:*']), ...issuerDocuments(issuers), ...roles]);
    });

    afterAll(async () => {
      await Promise.all([...issuers.values()].map((issuer) => issuer.stop()));
    });

    it('are all covered', () => {
      expect(REAL_CLAIMS.map(({ file }) => file).sort()).toEqual(claimFiles().sort());
      for (const { nearMisses } of REAL_CLAIMS) expect(nearMisses.length).toBeGreaterThanOrEqual(2);
    });

    describe.each(REAL_CLAIMS)('$file', ({ file, nearMisses }) => {
      const now = (): number => Math.floor(Date.now() / 1000);

      it.each(nearMisses)('with %s = %j is refused, and the trail says why', async (pointer, value) => {
        const token = await sign(withChange(loadClaims(file, now()), pointer, value), file);
        const { status, body } = await exchange(stack, token);
        expect({ status, error: body.error }).toEqual({ status: 400, error: 'invalid_request' });
        expect(body.access_token).toBeUndefined();
        const [event, ...others] = await eventsOf(stack, body.trace_id);
        expect(others).toEqual([]);
        expect(event?.type).toBe('dev.countersign.exchange.denied.v1');
        expect(event?.data).toMatchObject({ outcome: 'denied', class: body.error_description });
      });

      it('is exchanged for a token of its role, and recorded', async () => {
        const claims = loadClaims(file, now());
        const { status, body, headers } = await exchange(stack, await sign(claims, file));
        expect({ status, body }).toMatchObject({
          status: 200,
          body: { token_type: 'Bearer', scope: `role:${nameOf(file)}` },
        });
        expect(headers.get('cache-control')).toBe('no-store');
        const issued = claimsOf(body.access_token);
        expect(issued).toMatchObject({ iss: stack.url, aud: stack.url, roles: [nameOf(file)], policy: ['deploy'] });
        expect(issued.sub).toMatch(new RegExp(`^issuer-\\d+:`));
        expect(issued.fed).toMatchObject({ iss: claims.iss, sub: claims.sub });
      });
    });
  });
}
