import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PinAnswer } from '@countersign/contracts';
import { runProgram } from '../program';

let server: Server;
let url: string;
let seen: string[] = [];
let answer: { status: number; body: unknown };

beforeAll(async () => {
  server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    const { status, body } = answer;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(body === null ? undefined : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => new Promise((resolve) => server.close(resolve)));

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  seen = [];
  let out = '';
  let err = '';
  const terminal = {
    env: { COUNTERSIGN_URL: url, COUNTERSIGN_TOKEN: 'admin-secret' },
    cwd: '/',
    isTty: false,
    readStdin: () => Promise.resolve(''),
    write: (text: string) => (out += text),
    writeError: (text: string) => (err += text),
  };
  return { code: await runProgram(terminal, ['pins', ...args]), out, err };
}

const pin: PinAnswer = {
  id: '0197e0c4-0000-7000-8000-000000000000',
  iss: 'https://token.actions.githubusercontent.com',
  repository: 'acme/web',
  repositoryId: '123',
  ownerId: '9',
  subject: 'repo:acme/web:ref:refs/heads/main',
  traceId: '0'.repeat(32),
  pinnedAt: '2026-11-20T10:00:00.000Z',
};
const page = { items: [pin], nextCursor: null };
const missing = { type: 'x', title: 'Not found', status: 404, detail: 'There is no pin x.', traceId: '0'.repeat(32) };

describe('countersign pins', () => {
  it('lists what is pinned, of one repository when asked', async () => {
    answer = { status: 200, body: page };
    const { code, out } = await run('list', '--repository', 'acme/web', '--limit', '7');
    expect([code, seen]).toEqual([0, ['GET /v1/pins?repository=acme%2Fweb&limit=7']]);
    expect(out.split('\n')[0]).toMatch(/^repository +repository id +owner id +issuer +pinned at +id$/i);
    expect(out).toMatch(/^acme\/web +123 +9 +https:\S+ +2026-11-20T10:00:00.000Z +0197e0c4-\S+$/m);
  });

  it('says so when nothing is, and gives the answer as it is', async () => {
    answer = { status: 200, body: { items: [], nextCursor: null } };
    expect((await run('list')).out).toBe('no repository is pinned\n');
    answer = { status: 200, body: page };
    expect(JSON.parse((await run('list', '--output', 'json')).out)).toEqual(page);
  });

  it('deletes one', async () => {
    answer = { status: 204, body: null };
    const { code, out } = await run('delete', pin.id);
    expect([code, out, seen]).toEqual([0, `pin ${pin.id} deleted\n`, [`DELETE /v1/pins/${pin.id}`]]);
  });

  it.each([
    [1, 'a pin that there is none of', ['delete', 'x']],
    [2, 'no id', ['delete']],
    [2, 'a limit of none', ['list', '--limit', '0']],
  ])('ends with %d for %s', async (code, _, args) => {
    answer = { status: 404, body: missing };
    expect((await run(...args)).code).toBe(code);
  });
});
