import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectNats, NatsAuditStream, provisionStreams, type ConsumeOptions } from '@countersign/messaging';
import { Logger } from '@countersign/platform';
import {
  diskRefusal,
  eventually,
  makeSecrets,
  startPostgres,
  startStackNats,
  syncRefusal,
  TestDisk,
  testUnless,
  type TestServer,
} from '@countersign/testing';
import { eventIds, exchangeEvent, startAudit, undoneAfterEach, until, type AuditUnderTest } from '../audit.fixture';

const silent = new Logger('test', 'silent');
const STORED = 300;
const BACKLOG = 100;
/** Longer than a message that was handed out waits for its acknowledgement. */
const PATIENCE_MS = 120_000;

/** A consumer that can be held up, so that what is acknowledged is in the stream alone. */
class HeldStream extends NatsAuditStream {
  private held: Promise<void> = Promise.resolve();
  release: () => void = () => undefined;

  hold(): void {
    this.held = new Promise((resolve) => (this.release = resolve));
  }
  override consume(options: ConsumeOptions): void {
    super.consume({ ...options, handler: (batch) => this.held.then(() => options.handler(batch)) });
  }
}

interface Lost {
  postgres: boolean;
  nats: boolean;
}

interface System {
  disk: TestDisk;
  lost: Lost;
  /** What loses its power. */
  servers: TestServer[];
  stream: HeldStream;
  publisher: NatsAuditStream;
  audit: AuditUnderTest;
}

const undo = undoneAfterEach();

/** Servers with the durability of deploy/, those that will lose their power on one disk. */
async function startServers(lost: Lost) {
  const disk = await TestDisk.make('ext4');
  undo.push(() => disk.remove());
  const folder = await mkdtemp(join(tmpdir(), 'countersign-power-'));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  const secrets = makeSecrets();
  const nats = await startStackNats(folder, secrets, lost.nats ? disk : undefined);
  undo.push(() => nats.stop());
  const postgres = await startPostgres({ settings: { fsync: 'on' }, ...(lost.postgres ? { disk } : {}) });
  undo.push(() => postgres.stop());
  const urlOf = (user: 'audit' | 'exchange'): string => nats.url.replace('//', `//${user}:${secrets.nats[user]}@`);
  return { disk, nats, postgres, urlOf };
}

async function start(lost: Lost): Promise<System> {
  const { disk, nats, postgres, urlOf } = await startServers(lost);
  const link = connectNats({ url: urlOf('audit'), service: 'audit', logger: silent });
  await provisionStreams(link, { replicas: 1 });
  const stream = new HeldStream(link, silent);
  const audit = await startAudit(postgres, {}, { stream });
  undo.push(() => audit.stop());
  const exchange = connectNats({ url: urlOf('exchange'), service: 'exchange', logger: silent });
  const publisher = new NatsAuditStream(exchange, silent);
  undo.push(() => publisher.close());
  const servers = [...(lost.postgres ? [postgres] : []), ...(lost.nats ? [nats] : [])];
  return { disk, lost, servers, stream, publisher, audit };
}

/** Appends events, eight at a time, each again until it is acknowledged. */
async function append(stream: NatsAuditStream, count: number, acknowledged: string[]): Promise<void> {
  let left = count;
  const appender = async (): Promise<void> => {
    while (left-- > 0) {
      const event = exchangeEvent();
      await eventually(() => stream.append('audit', event), PATIENCE_MS);
      acknowledged.push(event.id);
    }
  };
  await Promise.all(Array.from({ length: 8 }, appender));
}

/** While events are recorded; resolves with what the trail had just before. */
async function losePower(system: System, acknowledged: string[]): Promise<string[]> {
  const { disk, lost, servers, stream, publisher, audit } = system;
  const recording = append(publisher, 5 * STORED, acknowledged);
  await until('events in the trail', async () => (await eventIds(audit)).length >= STORED);
  const { length } = acknowledged;
  // Else next to nothing would be in the stream alone.
  if (lost.nats) stream.hold();
  await until('a backlog in the stream', () => acknowledged.length >= length + BACKLOG);
  const seen = await eventIds(audit);
  await Promise.all(servers.map((server) => server.kill()));
  await disk.losePower();
  await Promise.all(servers.map((server) => server.restart()));
  stream.release();
  await recording;
  return seen;
}

const cases: [string, Lost, string | null][] = [
  ['PostgreSQL (R-20)', { postgres: true, nats: false }, null],
  ['the broker (R-13)', { postgres: false, nats: true }, syncRefusal()],
  ['both at once', { postgres: true, nats: true }, syncRefusal()],
];

for (const [who, lost, refusal] of cases)
  testUnless(
    diskRefusal('ext4') ?? refusal,
    `${who}, power loss: every acknowledged event is in the trail, once, and what was there is there`,
    async () => {
      const system = await start(lost);
      const acknowledged: string[] = [];
      const seen = await losePower(system, acknowledged);
      const stored = await eventually(async () => {
        const ids = await eventIds(system.audit);
        expect(new Set(ids)).toEqual(new Set([...ids, ...acknowledged]));
        return ids;
      }, PATIENCE_MS);
      expect(stored.slice(0, seen.length)).toEqual(seen);
      expect(new Set(stored).size).toBe(stored.length);
    },
  );
