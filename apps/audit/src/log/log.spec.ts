import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres, type TestServer } from '@countersign/testing';
import {
  canonicalJson,
  leafHash,
  openCheckpoint,
  parseVerifierKey,
  verifyConsistency,
  verifyInclusion,
  withCommitments,
  type TreeHead,
} from '@countersign/transparency-log';
import { exchangeEvent, Receiver, startAudit, until, type AuditUnderTest } from '../audit.fixture';
import { LogSettings } from './log-settings';

let server: TestServer;
let audit: AuditUnderTest;
let folder: string;
let witnessFile: string;
let receiver: Receiver;

const QUICK = Object.assign(new LogSettings(), { intervalMs: 20, witnessIntervalMs: 0 });

async function append(count: number): Promise<string[]> {
  const events = Array.from({ length: count }, () => exchangeEvent());
  await Promise.all(events.map((event) => audit.stream.append('audit', event)));
  return events.map(({ id }) => id);
}

/** The newest checkpoint with at least so many entries, opened with the key that the service names. */
async function head(size: number): Promise<TreeHead> {
  const key = parseVerifierKey((await audit.call('GET', '/v1/checkpoint/key')).body.trim());
  return until(`a checkpoint of ${size}`, async () => {
    const { status, body } = await audit.call('GET', '/v1/checkpoint');
    if (status !== 200 || key === null) return null;
    const opened = openCheckpoint(body, key);
    if (!opened.ok) throw new Error(opened.reason);
    return opened.head.size >= size ? opened.head : null;
  });
}

const hash = (text: string): Buffer => Buffer.from(text, 'base64');

beforeAll(async () => {
  server = await startPostgres();
  folder = mkdtempSync(join(tmpdir(), 'countersign-log-'));
  witnessFile = join(folder, 'checkpoints');
  receiver = new Receiver((response) => response.end());
  const url = await receiver.start();
  audit = await startAudit(server, {}, { log: QUICK, witnesses: [witnessFile, url] });
});
afterAll(async () => {
  await audit.stop();
  await receiver.stop();
  rmSync(folder, { recursive: true });
  await server.stop();
});

describe('the log of the trail', () => {
  test('proves of every event that it is in the tree that the checkpoint signs for', async () => {
    const ids = await append(300);
    const { size, root } = await head(300);
    for (const id of [ids[0], ids[255], ids[256], ids[299]]) {
      const { body: event } = await audit.call('GET', `/v1/events/${id}`);
      const { body: proof } = await audit.call('GET', `/v1/events/${id}/proof`);
      expect(proof).toMatchObject({
        eventId: id,
        index: Number(event.sequence) - 1,
        size,
        root: root.toString('base64'),
      });
      const { salt, members } = proof.commitments;
      const entryOf = (shown: object) => canonicalJson(withCommitments(shown, { salt: hash(salt), members }));
      const leaf = leafHash(entryOf(event));
      expect(leaf.toString('base64')).toBe(proof.leafHash);
      expect(verifyInclusion({ leaf, index: proof.index, size, root, proof: proof.proof.map(hash) })).toBe(true);
      const edited = leafHash(entryOf({ ...event, subject: 'somebody else' }));
      expect(verifyInclusion({ leaf: edited, index: proof.index, size, root, proof: proof.proof.map(hash) })).toBe(
        false,
      );
    }
  });

  test('proves that it only ever grew', async () => {
    const first = await head(1);
    await append(250);
    const second = await head(first.size + 250);
    const { body } = await audit.call('GET', `/v1/checkpoint/consistency?first=${first.size}`);
    const roots = { firstRoot: first.root, secondRoot: second.root };
    expect(verifyConsistency({ first: first.size, second: body.second, ...roots, proof: body.proof.map(hash) })).toBe(
      true,
    );
  });

  test('is had as tiles: hashes of each level, and the entries themselves', async () => {
    const { size } = await head(550);
    const leaves = await audit.bytes('/v1/tile/0/000');
    const levelOne = await audit.bytes('/v1/tile/1/000.p/2');
    const bundle = await audit.bytes(`/v1/tile/entries/002.p/${size - 512}`);
    expect([leaves.length, levelOne.length]).toEqual([256 * 32, 2 * 32]);
    const length = bundle.readUInt16BE(0);
    const entry = bundle.subarray(2, 2 + length).toString();
    const { sequence, id } = JSON.parse(entry);
    expect(sequence).toBe('513');
    const { body: proof } = await audit.call('GET', `/v1/events/${id}/proof`);
    expect(leafHash(entry).toString('base64')).toBe(proof.leafHash);
    const partial = await audit.bytes('/v1/tile/0/002.p/1');
    expect(partial.toString('base64')).toBe(proof.leafHash);
  });

  test.each<[string, number]>([
    ['/v1/tile/0/9', 404],
    ['/v1/tile/0/x001/000', 404],
    ['/v1/tile/0/002', 404],
    ['/v1/tile/7/000', 404],
    ['/v1/tile/..%2f..%2fcheckpoint', 404],
    ['/v1/events/nothing/proof', 404],
    [`/v1/events/${'x'.repeat(100)}/proof`, 404],
    ['/v1/checkpoint/consistency?first=999999', 404],
    ['/v1/checkpoint/consistency?first=-1', 422],
    ['/v1/checkpoint/consistency', 422],
  ])('%s is %d', async (path, status) => {
    expect((await audit.call('GET', path)).status).toBe(status);
  });

  test('is for those who may read the trail', async () => {
    for (const path of ['checkpoint', 'checkpoint/key', 'tile/0/000', 'events/x/proof']) {
      expect((await audit.call('GET', `/v1/${path}`, undefined, null)).status).toBe(401);
    }
  });

  test('is known to the witnesses, off this machine and in a file', async () => {
    const { size } = await head(1);
    const witnessed = await until('both witnesses', () => {
      const notes = [receiver.received.map(({ body }) => body).join('\n'), readFileSync(witnessFile, 'utf8')];
      return notes.every((text) => text.includes(`\n${size}\n`)) ? notes : null;
    });
    expect(witnessed[1]).toMatch(/^sts\.countersign\.test\n\d+\n[^\n]+\n\n\u2014 sts\.countersign\.test [^\n]+\n\n/);
  });

  test('signs nothing more once stored events are not those that it signed for', async () => {
    const { size } = await head(1);
    await audit.rows(`ALTER TABLE audit.event DISABLE TRIGGER append_only`);
    await audit.rows(`UPDATE audit.event SET event = jsonb_set(event, '{subject}', '"edited"') WHERE sequence = $1`, [
      size,
    ]);
    await append(1);
    await until('the alarm', async () => (await audit.metric('countersign_audit_trail_tampered')) === 1);
    expect(await head(1)).toMatchObject({ size });
  });
});
