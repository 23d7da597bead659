import { randomUUID } from 'node:crypto';
import type { Target } from '../support/client';
import { githubClaims } from '../support/documents';
import { keyOf, outcome, retried, sha256, startReplayStack, type ReplayStack } from './replay-stack';
import { singleUseCases } from './single-use-cases';

/** RPL-02 asks for fifty. */
const ROUNDS = process.env.COUNTERSIGN_SOAK === '1' ? 50 : 10;

let system: ReplayStack;
beforeAll(async () => void (system = await startReplayStack()));
afterAll(async () => system?.stop());

const now = (): number => Math.floor(Date.now() / 1000);

singleUseCases('distributed', () => ({ admin: system.stack, at: system.replicas, issuer: system.issuer }), ROUNDS);

describe('what stands in Redis', () => {
  const sign = (changes: Record<string, unknown> = {}): Promise<string> =>
    system.issuer.sign(githubClaims(system.issuer.iss, changes));

  it('one command writes a use with its end, in the same step as the epoch is read (RPL-04)', async () => {
    const token = await sign();
    const lines = await system.monitor(async () => void (await retried(system.replicas[0] as Target, token)));
    const commands = lines.flatMap((line) => /\] (".*)$/.exec(line)?.[1] ?? []);
    const used = commands.filter((one) => one.includes('cs:exchange:used:'));
    expect(used.filter((one) => /^"set"/i.test(one))).toEqual([
      expect.stringMatching(
        /^"set" "cs:exchange:used:[0-9a-f]{64}" "[0-9a-f]{32}\.[-\w]{11}" "EXAT" "\d+" "NX" "GET"$/i,
      ),
    ]);
    expect(used.filter((one) => !/^"(set|evalsha)"/i.test(one))).toEqual([]);
    const ofTheScript = lines.filter((line) => /\[\d+ lua\]/.test(line)).map((line) => line.replace(/.*\] /, ''));
    expect(ofTheScript).toEqual([expect.stringMatching(/^"set"/i), '"get" "cs:exchange:epoch"', '"time"']);
  });

  it('keys of one length and one end each, beyond the token and its leeway; the epoch alone has none (RPL-03, RPL-04)', async () => {
    const { iss } = system.issuer;
    const cases = [
      { claims: { jti: 'short', iat: now(), exp: now() + 100 }, end: now() + 100 },
      { claims: { jti: 'ü*{}'.repeat(100), iat: now() - 10, exp: now() + 300 }, end: now() + 300 },
      { claims: { jti: 'ended', iat: now() - 300, exp: now() - 50 }, end: now() - 50 },
      { claims: { jti: 'a-year', iat: now() - 1_000, exp: now() + 31_536_000 }, end: now() - 1_000 + 86_400 },
    ];
    for (const { claims, end } of cases) {
      expect(await retried(system.replicas[1] as Target, await sign(claims))).toBe('granted');
      const [expiresAt] = await system.redis('EXPIRETIME', keyOf('jti', iss, claims.jti));
      expect(Number(expiresAt)).toBeGreaterThanOrEqual(end + 60 + 30);
      expect(Number(expiresAt)).toBeLessThanOrEqual(end + 300 + 120);
    }
    // Without jti the text is the identity: it must not be that of another test's token of this second.
    const token = await sign({ jti: undefined, run_id: randomUUID() });
    expect(await retried(system.replicas[2] as Target, token)).toBe('granted');
    const signingInput = token.slice(0, token.lastIndexOf('.'));
    expect(await system.redis('EXISTS', keyOf('signing-input', iss, sha256(signingInput)))).toEqual(['1']);
    const keys = await system.redis('KEYS', '*');
    const isUse = (key: string): boolean => /^cs:exchange:used:[0-9a-f]{64}$/.test(key);
    expect(keys.filter((key) => key.startsWith('cs:exchange:used:') && !isUse(key))).toEqual([]);
    const endless: string[] = [];
    for (const key of keys) if ((await system.redis('TTL', key))[0] === '-1') endless.push(key);
    expect(endless).toEqual(['cs:exchange:epoch']);
  });

  it('something else under the key is no free key: nothing is issued until it is gone (BUS-11)', async () => {
    const jti = crypto.randomUUID();
    const [token, key] = [await sign({ jti }), keyOf('jti', system.issuer.iss, jti)];
    await system.redis('HSET', key, 'a', 'b');
    for (const one of system.replicas) expect(await outcome(one, token)).toBe('unavailable');
    await system.redis('DEL', key);
    expect(await retried(system.replicas[0] as Target, token)).toBe('granted');
  });

  it('a full Redis refuses, forgets nothing, and lets the refused token in when there is room (RPL-12, R-05)', async () => {
    const [used, refused] = [await sign(), await sign()];
    const [one, two] = system.replicas as [Target, Target];
    expect(await retried(one, used)).toBe('granted');
    await system.redis('CONFIG', 'SET', 'maxmemory', '1');
    expect([await outcome(one, refused), await outcome(two, used)]).toEqual(['unavailable', 'unavailable']);
    await system.redis('CONFIG', 'SET', 'maxmemory', '0');
    expect([await retried(two, refused), await retried(one, used)]).toEqual(['granted', 'used before']);
  });
});
