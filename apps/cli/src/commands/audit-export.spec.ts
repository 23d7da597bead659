import { readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { commandUnderTest } from '../command.fixture';

const LINES = '{"sequence":"1"}\n{"sequence":"2"}\n';

const cli = commandUnderTest();
const run = (...args: string[]) => cli.run(['audit', 'export', ...args]);

/** The events, and then the end or none. */
function streaming(end: (response: ServerResponse) => void): void {
  cli.respond = (response) => {
    response.setHeader('content-type', 'application/x-ndjson').write(LINES, () => end(response));
  };
}

beforeEach(() => streaming((response) => response.end()));

describe('countersign audit export --format', () => {
  it('writes the events of a span of time into a file, one in a line', async () => {
    const { code, out } = await run('--format', 'ocsf', '--output', 'a.ndjson', '--since', '2026-11-20T00:00:00Z');
    expect([code, out]).toEqual([0, `exported 2 events to ${join(cli.folder, 'a.ndjson')}\n`]);
    expect(cli.seen.map(({ line }) => line)).toEqual([
      'GET /v1/events/export?format=ocsf&from=2026-11-20T00%3A00%3A00Z',
    ]);
    expect(await readFile(join(cli.folder, 'a.ndjson'), 'utf8')).toBe(LINES);
  });

  it('says so when the answer broke off, and exits with 3', async () => {
    streaming((response) => response.destroy());
    const { code, err } = await run('--format', 'ndjson', '--output', 'b.ndjson');
    expect(code).toBe(3);
    expect(err).toMatch(/broke off.*\n.*b\.ndjson is not whole/);
  });

  it.each([
    [['--format', 'csv', '--output', 'c']],
    [['--format', 'ocsf']],
    [['--format', 'ocsf', '--output', 'c', 'folder']],
    [['folder', '--since', '2026-11-20T00:00:00Z']],
    [[]],
  ])('refuses %j with 2', async (args) => {
    expect((await run(...args)).code).toBe(2);
    expect(cli.seen).toEqual([]);
  });
});
