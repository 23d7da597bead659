import { createTestDatabase, sqlQuery, startPostgres, type TestServer } from '@countersign/testing';
import { byteaArray, jsonbArray } from './binary-arrays';

let server: TestServer;
let place: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: ReturnType<typeof sqlQuery>;

beforeAll(async () => {
  server = await startPostgres();
  place = await createTestDatabase(server);
  pool = sqlQuery(place.url);
});
afterAll(async () => {
  await pool?.end();
  await place?.drop();
  await server?.stop();
});

const ROWS = 'SELECT b, j FROM unnest($1::bytea[], $2::jsonb[]) AS t (b, j)';

test('the server reads what was put into them', async () => {
  const bytes = [Buffer.from('\0\xff"\\{}', 'latin1'), null, Buffer.alloc(0), Buffer.alloc(70_000, 7)];
  const values = [{ a: ['"\\{},', null, 1.5] }, 'ünïcödé 🚀', null, []];
  const json = jsonbArray(values.map((value) => JSON.stringify(value)));
  const rows = await pool.query<{ b: Buffer | null; j: unknown }>(ROWS, [byteaArray(bytes), json]);
  expect(rows).toEqual(bytes.map((b, index) => ({ b, j: values[index] })));
});

test('none are none', async () => {
  expect(await pool.query(ROWS, [byteaArray([]), jsonbArray([])])).toEqual([]);
});

test('what jsonb does not hold is a fault of the value', async () => {
  await expect(pool.query(ROWS, [byteaArray([]), jsonbArray(['"\\u0000"'])])).rejects.toMatchObject({ code: '22P05' });
});
