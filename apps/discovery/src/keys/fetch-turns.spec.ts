import { Clock, Logger } from '@countersign/platform';
import { RedisExpiringStore, SqlExpiringStore, connectRedis, type ExpiringStore } from '@countersign/redis';
import { createTestDatabase, sqlQuery, startPostgres, startRedis } from '@countersign/testing';
import { issuer } from './cluster.fixture';
import { FetchTurns } from './fetch-turns';

interface Opened {
  store: ExpiringStore;
  close(): Promise<void>;
}

async function openRedis(): Promise<Opened> {
  const server = await startRedis();
  const link = connectRedis({ url: server.url, logger: new Logger('test', 'silent') });
  await link.whenReady();
  const store = new RedisExpiringStore(link);
  return { store, close: () => store.close().then(() => server.stop()) };
}

async function openPostgres(): Promise<Opened> {
  const server = await startPostgres();
  const { query, end } = sqlQuery((await createTestDatabase(server)).url);
  return { store: new SqlExpiringStore({ query }), close: () => end().then(() => server.stop()) };
}

describe.each([
  ['Redis', openRedis],
  ['PostgreSQL', openPostgres],
])('turns to fetch, shared in %s', (_, open) => {
  let opened: Opened;
  const replica = (): FetchTurns => new FetchTurns(opened.store, new Clock());

  beforeAll(async () => {
    opened = await open();
  });

  afterAll(() => opened?.close());

  it('one replica of many has the turn, the others wait for what comes of it', async () => {
    const source = { ...issuer, iss: 'https://many.test' };
    const replicas = Array.from({ length: 8 }, replica);
    const turns = await Promise.all(replicas.map((one) => one.take(source)));
    expect(turns.filter((turn) => turn === 'mine')).toHaveLength(1);
    const outcome = { state: 'failed', at: Date.now(), kind: 'invalid', message: 'no usable key' } as const;
    const waiting = replicas.map((one) => one.outcome(source));
    await replicas[0]?.end(source, outcome);
    expect(await Promise.all(waiting)).toEqual(Array(8).fill(outcome));
    expect(await replica().take(source)).toEqual(outcome);
  });

  it('another source of the same issuer has a turn of its own', async () => {
    expect(await replica().take(issuer)).toBe('mine');
    expect(await replica().take({ ...issuer, jwksUri: 'https://a.test/jwks' })).toBe('mine');
  });

  it('who seizes the turn holds the others off', async () => {
    const source = { ...issuer, iss: 'https://seized.test' };
    await replica().seize(source);
    expect(await replica().take(source)).toMatchObject({ state: 'fetching' });
  });

  it.each([
    ['no turn', 'not ours'],
    ['a turn without end', JSON.stringify({ state: 'fetching', at: 0 })],
    ['a turn of the future', JSON.stringify({ state: 'done', at: Date.now() + 3_600_000 })],
  ])('what somebody else wrote there keeps nobody from fetching: %s (JWK-24)', async (name, value) => {
    const source = { ...issuer, iss: `https://broken.test/${name}` };
    const written: string[] = [];
    const spy = { set: (key: string) => Promise.resolve(void written.push(key)) } as unknown as ExpiringStore;
    await new FetchTurns(spy, new Clock()).seize(source);
    await opened.store.set(written[0] ?? '', value, Math.floor(Date.now() / 1000) + 60);
    expect(await replica().take(source)).toBe('mine');
    expect(await replica().take(source)).toMatchObject({ state: 'fetching' });
  });
});
