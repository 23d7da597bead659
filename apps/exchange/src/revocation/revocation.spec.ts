import { checkToken, tokenCheck } from '@countersign/contracts';
import { InProcessBus, SqlAuditStream } from '@countersign/messaging';
import { Logger, newTrace, Readiness, UnavailableError } from '@countersign/platform';
import { SqlExpiringStore } from '@countersign/redis';
import { createTestDatabase, eventually, runSql, startPostgres, type TestServer } from '@countersign/testing';
import type { AccessTokenClaims } from '@countersign/tokens';
import { ExchangeConfig } from '../config';
import { ExchangeDatabase } from '../database';
import { RevocationCopy } from './revocation-copy';
import type { RevocationTerms } from './revocation-matching';
import { sweepRevocations } from './revocation-rows';
import { Revocations } from './revocations';
import { RevokeToken } from './revoke-token';
import { TokenStatus } from './token-status';

const PUBLIC_URL = 'https://sts.example';
const silent = new Logger('test', 'silent');

class MovableCopy extends RevocationCopy {
  moved = 0;
  protected override monotonic(): number {
    return performance.now() + this.moved;
  }
}

/** A replica's part in revocations, on a bus of its own: announcements between replicas get lost. */
function startReplica(url: string) {
  const config = new ExchangeConfig({
    COUNTERSIGN_PUBLIC_URL: PUBLIC_URL,
    COUNTERSIGN_ENCRYPTION_KEY: Buffer.alloc(32).toString('base64'),
  });
  const database = new ExchangeDatabase({ url, logger: silent });
  const query = <Row>(sql: string, parameters: unknown[]): Promise<Row[]> => database.query<Row>(sql, parameters);
  const bus = new InProcessBus(silent);
  const stream = new SqlAuditStream({ query, logger: silent });
  const copy = new MovableCopy(database, bus, silent, new Readiness());
  const status = new TokenStatus(new SqlExpiringStore({ query }), copy, bus);
  return {
    database,
    copy,
    bus,
    query,
    status,
    revokeToken: new RevokeToken(config, database, stream, status, bus),
    revocations: new Revocations(config, database, stream, bus, copy),
    isRevoked: async (claims: AccessTokenClaims) => (await bus.request(checkToken, tokenCheck(claims))).revoked,
    eventTypes: async () => {
      const rows = await query<{ event: string }>('SELECT event FROM embedded.stream_event ORDER BY sequence', []);
      return rows.map(({ event }) => (JSON.parse(event) as { type: string }).type);
    },
  };
}

let server: TestServer;
let place: { url: string; drop(): Promise<void> };
let one: ReturnType<typeof startReplica>;
let two: ReturnType<typeof startReplica>;

beforeAll(async () => {
  server = await startPostgres();
  place = await createTestDatabase(server);
  one = startReplica(place.url);
  await one.database.whenReady();
  two = startReplica(place.url);
  await two.database.whenReady();
  await Promise.all([one.copy.refresh(), two.copy.refresh()]);
}, 60_000);

afterAll(async () => {
  await Promise.all([one?.database.close(), two?.database.close()]);
  await place?.drop();
  await server?.stop();
});

let tokens = 0;
const claimsOf = (changes: Partial<AccessTokenClaims> = {}): AccessTokenClaims => {
  const now = Math.floor(Date.now() / 1000);
  return {
    ...{ iss: PUBLIC_URL, sub: 'github:job', aud: PUBLIC_URL, jti: `token-${++tokens}`, client_id: 'github' },
    ...{ exp: now + 600, iat: now - 10, nbf: now - 10, roles: ['deployers'], policy: ['deploy'] },
    fed: { iss: 'https://issuer.example', sub: 'job', jti: null, claims: { run_id: '42' } },
    ...changes,
  };
};

const caller = { author: 'bootstrap', trace: newTrace() };
const revoke = (claims: AccessTokenClaims) =>
  one.revokeToken.revoke(claims, { sourceIp: '203.0.113.9', trace: caller.trace });
const terms: RevocationTerms & { reason: string } = { issuer: null, role: null, claims: {}, reason: 'leaked' };
const create = (changes: Partial<RevocationTerms>) => one.revocations.create({ ...terms, ...changes }, caller);

describe('a token', () => {
  it('revoked by one replica is revoked for the other, and for what was narrowed from it', async () => {
    const claims = claimsOf();
    expect(await two.isRevoked(claims)).toBe(false);
    await revoke(claims);
    expect(await two.isRevoked(claims)).toBe(true);
    expect(await two.isRevoked(claimsOf({ parents: ['another', claims.jti] }))).toBe(true);
    expect(await two.isRevoked(claimsOf())).toBe(false);
  });

  it('is not revoked when that cannot be recorded: all or nothing', async () => {
    const claims = claimsOf();
    await runSql(place.url, 'ALTER TABLE embedded.stream_event RENAME TO gone');
    await expect(revoke(claims)).rejects.toThrow(UnavailableError);
    await runSql(place.url, 'ALTER TABLE embedded.gone RENAME TO stream_event');
    await one.copy.refresh();
    expect(await one.isRevoked(claims)).toBe(false);
    await revoke(claims);
    expect(await one.isRevoked(claims)).toBe(true);
  });

  it('stays revoked when the store forgets it', async () => {
    const claims = claimsOf();
    await revoke(claims);
    await one.query('DELETE FROM embedded.expiring_key', []);
    await Promise.all([one.copy.refresh(), two.copy.refresh()]);
    expect([await one.isRevoked(claims), await two.isRevoked(claims)]).toEqual([true, true]);
  });

  it('is forgotten when nobody could accept it any more', async () => {
    const [ended, alive] = [claimsOf(), claimsOf()];
    await revoke(ended);
    await revoke(alive);
    const end = `UPDATE exchange.revoked_token SET expires_at = now() - interval '2 hours' WHERE jti = '${ended.jti}'`;
    await runSql(place.url, end);
    await sweepRevocations(one.database);
    const left = await one.query<{ jti: string }>('SELECT jti FROM exchange.revoked_token', []);
    expect(left.map(({ jti }) => jti)).toContain(alive.jti);
    expect(left.map(({ jti }) => jti)).not.toContain(ended.jti);
  });

  it('withdrawn before it left is revoked without an event', async () => {
    const claims = claimsOf();
    const before = await one.eventTypes();
    one.revokeToken.withdraw(claims);
    await eventually(async () => expect(await two.isRevoked(claims)).toBe(true));
    expect(await one.eventTypes()).toEqual(before);
  });
});

describe('a copy', () => {
  it.each([
    [4_000, false],
    [5_001, true],
  ])('that was confirmed %i ms ago says nothing: %p', async (moved, silentNow) => {
    await one.copy.refresh();
    one.copy.moved = moved;
    const answer = one.isRevoked(claimsOf());
    await (silentNow ? expect(answer).rejects.toThrow(UnavailableError) : expect(answer).resolves.toBe(false));
    await one.copy.refresh();
    expect(await one.isRevoked(claimsOf())).toBe(false);
    one.copy.moved = 0;
    await one.copy.refresh();
  });

  it('that was never read says nothing', async () => {
    const fresh = startReplica(place.url);
    await expect(fresh.isRevoked(claimsOf())).rejects.toThrow(UnavailableError);
    await fresh.database.close();
  });

  it('hears of a revocation at the next poll when its announcement is lost', async () => {
    const claims = claimsOf({ roles: ['lost'] });
    const { id } = await create({ role: 'lost' });
    expect([await one.isRevoked(claims), await two.isRevoked(claims)]).toEqual([true, false]);
    await two.copy.refresh();
    expect(await two.isRevoked(claims)).toBe(true);
    await two.revocations.delete(id, caller);
    await one.copy.refresh();
    expect([await one.isRevoked(claims), await two.isRevoked(claims)]).toEqual([false, false]);
  });
});

describe('a revocation', () => {
  it('ends by itself, and is swept', async () => {
    const { id } = await create({ role: 'old' });
    const claims = claimsOf({ roles: ['old'] });
    expect(await one.isRevoked(claims)).toBe(true);
    const end = "UPDATE exchange.revocation SET expires_at = now() - interval '2 hours' WHERE role = 'old'";
    await runSql(place.url, end);
    await one.copy.refresh();
    expect(await one.isRevoked(claims)).toBe(false);
    expect((await one.revocations.list({ cursor: undefined, limit: 500 })).items.map((item) => item.id)).not.toContain(
      id,
    );
    await sweepRevocations(one.database);
    expect(await one.query('SELECT 1 FROM exchange.revocation WHERE id = $1', [id])).toEqual([]);
  });

  it('is in force until the last token that it can concern is past its end', async () => {
    const { createdAt, expiresAt } = await create({ role: 'any' });
    expect((Date.parse(expiresAt) - Date.parse(createdAt)) / 1000).toBe(24 * 60 * 60 + 60);
  });

  it('is not when it cannot be recorded', async () => {
    await runSql(place.url, 'ALTER TABLE embedded.stream_event RENAME TO gone');
    await expect(create({ role: 'unrecorded' })).rejects.toThrow(UnavailableError);
    await runSql(place.url, 'ALTER TABLE embedded.gone RENAME TO stream_event');
    await one.copy.refresh();
    expect(await one.isRevoked(claimsOf({ roles: ['unrecorded'] }))).toBe(false);
  });

  it('is refused when a thousand are in force: every check looks at each', async () => {
    await runSql(
      place.url,
      `INSERT INTO exchange.revocation (id, claims, reason, author, created_at, expires_at)
       SELECT gen_random_uuid(), '{"x":"y"}', 'x', 'x', now(), now() + interval '1 hour' FROM generate_series(1, 1000)`,
    );
    await expect(create({ role: 'one-more' })).rejects.toThrow('1000 revocations');
  });
});
