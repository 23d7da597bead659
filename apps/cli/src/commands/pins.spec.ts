import type { PinAnswer } from '@countersign/contracts';
import { commandUnderTest } from '../command.fixture';

const cli = commandUnderTest();
const run = (...args: string[]) => cli.run(['pins', ...args]);
const lines = (): string[] => cli.seen.map(({ line }) => line);

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
    cli.answer(page);
    const { code, out } = await run('list', '--repository', 'acme/web', '--limit', '7');
    expect([code, lines()]).toEqual([0, ['GET /v1/pins?repository=acme%2Fweb&limit=7']]);
    expect(out.split('\n')[0]).toMatch(/^repository +repository id +owner id +issuer +pinned at +id$/i);
    expect(out).toMatch(/^acme\/web +123 +9 +https:\S+ +2026-11-20T10:00:00.000Z +0197e0c4-\S+$/m);
  });

  it('says so when nothing is, and gives the answer as it is', async () => {
    cli.answer({ items: [], nextCursor: null });
    expect((await run('list')).out).toBe('no repository is pinned\n');
    cli.answer(page);
    expect(JSON.parse((await run('list', '--output', 'json')).out)).toEqual(page);
  });

  it('deletes one', async () => {
    cli.answer(null, 204);
    const { code, out } = await run('delete', pin.id);
    expect([code, out, lines()]).toEqual([0, `pin ${pin.id} deleted\n`, [`DELETE /v1/pins/${pin.id}`]]);
  });

  it.each([
    [1, 'a pin that there is none of', ['delete', 'x']],
    [2, 'no id', ['delete']],
    [2, 'a limit of none', ['list', '--limit', '0']],
  ])('ends with %d for %s', async (code, _, args) => {
    cli.answer(missing, 404);
    expect((await run(...args)).code).toBe(code);
  });
});
