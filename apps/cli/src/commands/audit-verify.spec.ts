import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CompactTree,
  formatVerifierKey,
  leafHash,
  parseTilePath,
  signCheckpoint,
  type CheckpointSigner,
  type Tile,
} from '@countersign/transparency-log';
import { commandUnderTest } from '../command.fixture';

const NAME = 'sts.countersign.test';
const signer: CheckpointSigner = { name: NAME, privateKey: generateKeyPairSync('ed25519').privateKey };
const key = formatVerifierKey({ name: NAME, publicKey: createPublicKey(signer.privateKey) });
const all = Array.from({ length: 300 }, (_, index) => `{"id":"ünïcödé ${index}","sequence":"${index + 1}"}`);
all[290] = `{"data":{"lastSequence":"40"},"sequence":"291","type":"dev.countersign.audit.expired.v1"}`;
/** What the server has of them. */
let entries = all;
const checkpointAt = (size: number): string => {
  const tree = new CompactTree();
  all.slice(0, size).forEach((entry) => tree.append(leafHash(entry)));
  return signCheckpoint({ origin: NAME, size, root: tree.root() }, signer);
};

const cli = commandUnderTest();
const run = (...args: string[]) => cli.run(args);

/** A server with this log, as C2SP tlog-tiles has it. */
function answer(path: string): Buffer | string {
  if (path === '/v1/checkpoint/key') return `${key}\n`;
  if (path === '/v1/checkpoint') return checkpointAt(entries.length);
  const { level, index, width } = parseTilePath(path.slice('/v1/'.length)) as Tile;
  const rows = entries.slice(index * 256, index * 256 + width);
  if (level === 0) return Buffer.concat(all.slice(index * 256, index * 256 + width).map((entry) => leafHash(entry)));
  return Buffer.concat(
    rows.flatMap((entry) => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(Buffer.byteLength(entry));
      return [length, Buffer.from(entry)];
    }),
  );
}

beforeEach(async () => {
  entries = all;
  cli.respond = (response, { url }) => void response.end(answer(url));
  expect((await run('audit', 'export', 'export')).code).toBe(0);
});

const verify = (...args: string[]) => run('audit', 'verify', 'export', '--key', key, ...args);
const file = (name: string): string => join(cli.folder, 'export', name);
const change = (name: string, edit: (lines: string[]) => string[]): void =>
  writeFileSync(file(name), edit(readFileSync(file(name), 'utf8').split('\n')).join('\n'));

describe('countersign audit verify', () => {
  it('says of an untouched export that it is whole, without the server', async () => {
    expect(readFileSync(file('entries.ndjson'), 'utf8')).toBe(entries.map((entry) => `${entry}\n`).join(''));
    const env = { ...cli.env, COUNTERSIGN_URL: 'http://127.0.0.1:1' };
    const { code, out } = await cli.run(['audit', 'verify', 'export', '--key', key], { env });
    expect([code, out]).toEqual([0, 'events       300\nsigned for   300\ncheckpoints  1\nthe trail is whole\n']);
  });

  it('says when the key is only the one of the export', async () => {
    const { out } = await run('audit', 'verify', 'export');
    expect(out).toContain('give --key from elsewhere');
  });

  it.each<[string, (lines: string[]) => string[], string]>([
    [
      'an edited row',
      (lines) => lines.map((line, at) => (at === 270 ? line.replace('ü', 'u') : line)),
      'event 271 was edited',
    ],
    ['a removed row', (lines) => lines.filter((_, at) => at !== 41), 'event 42 was removed'],
    ['a row that is there twice', (lines) => [...lines.slice(0, 9), ...lines.slice(8)], 'event 10 is not in its place'],
    [
      'the newest rows cut off',
      (lines) => lines.slice(0, 250),
      'event 251 and those after it were cut off: a checkpoint signs for 300',
    ],
    ['a row that is no event', (lines) => ['garbage', ...lines.slice(1)], 'event 1 was edited'],
  ])('names the first row of an export with %s', async (_, edit, message) => {
    change('entries.ndjson', edit);
    const { code, err } = await verify();
    expect([code, err]).toEqual([1, expect.stringContaining(message)]);
  });

  it('knows from the checkpoints of a witness that newest rows were cut, the log and its head with them', async () => {
    writeFileSync(join(cli.folder, 'witness'), `${checkpointAt(100)}\n${checkpointAt(300)}\n`);
    change('entries.ndjson', (lines) => lines.slice(0, 200));
    writeFileSync(file('leaves'), readFileSync(file('leaves')).subarray(0, 200 * 32));
    writeFileSync(file('checkpoint'), checkpointAt(200));
    expect((await verify()).code).toBe(0);
    const { code, err } = await verify('--checkpoints', 'witness');
    expect([code, err]).toEqual([1, expect.stringContaining('event 201 and those after it were cut off')]);
  });

  describe('after retention removed the oldest events', () => {
    const exportWithout = async (count: number, path = 'export') => {
      entries = all.map((entry, index) => (index < count ? '' : entry));
      return run('audit', 'export', path);
    };

    it('says from where on the events are there', async () => {
      expect((await exportWithout(40)).out).toContain('exported 260 events');
      const { code, out } = await verify();
      expect([code, out]).toEqual([
        0,
        'events       260\nfrom         41; those before were removed by retention\nsigned for   260\ncheckpoints  1\nthe trail is whole\n',
      ]);
    });

    it('still holds exports of before and after against each other', async () => {
      await exportWithout(40, 'later');
      const { code } = await run('audit', 'verify', 'later', '--key', key, '--checkpoints', 'export/checkpoint');
      expect(code).toBe(0);
      writeFileSync(join(cli.folder, 'witness'), checkpointAt(20));
      expect((await run('audit', 'verify', 'later', '--key', key, '--checkpoints', 'witness')).code).toBe(0);
    });

    it.each<[string, number, (lines: string[]) => string[], string]>([
      [
        'more events than it says',
        42,
        (lines) => lines,
        'the events 41 to 42 were removed, and the trail does not say',
      ],
      ['an event in between', 40, (lines) => lines.map((line, at) => (at === 99 ? '' : line)), 'event 100 was removed'],
      ['the empty lines', 40, (lines) => lines.slice(40), 'event 1 was removed'],
      [
        'an edited event',
        40,
        (lines) => lines.map((line, at) => (at === 270 ? line.replace('ü', 'u') : line)),
        'event 271 was edited',
      ],
    ])('finds what else is gone or changed: %s', async (_, count, edit, message) => {
      await exportWithout(count);
      change('entries.ndjson', edit);
      const { code, err } = await verify();
      expect([code, err]).toEqual([1, expect.stringContaining(message)]);
    });
  });

  it('does not believe a checkpoint that another key signed', async () => {
    const other = { name: NAME, privateKey: generateKeyPairSync('ed25519').privateKey };
    writeFileSync(file('checkpoint'), signCheckpoint({ origin: NAME, size: 1, root: leafHash('') }, other));
    const { code, err } = await verify();
    expect([code, err]).toEqual([1, expect.stringContaining('unknown_key')]);
  });

  it.each<[string, string[], string]>([
    ['a folder that is not there', ['audit', 'verify', 'nothing'], 'cannot read'],
    ['a key that is none', ['audit', 'verify', 'export', '--key', 'export/checkpoint'], 'not the key of a log'],
  ])('is a usage error with %s', async (_, args, message) => {
    const { code, err } = await run(...args);
    expect([code, err]).toEqual([2, expect.stringContaining(message)]);
  });

  it('prints the report as JSON', async () => {
    copyFileSync(file('key'), join(cli.folder, 'key'));
    const { out } = await run('audit', 'verify', 'export', '--key', 'key', '-o', 'json');
    expect(JSON.parse(out)).toMatchObject({ ok: true, events: 300, verified: 300, fault: null });
  });
});
