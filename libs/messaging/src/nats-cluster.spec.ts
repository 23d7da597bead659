import { AUDIT_STREAMS, type CloudEvent } from '@countersign/contracts';
import { Logger } from '@countersign/platform';
import {
  eventually,
  generous,
  recordEvents,
  startNatsCluster,
  testEvent,
  type NatsCluster,
  type TestServer,
} from '@countersign/testing';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { NatsAuditStream } from './nats-audit-stream';
import { connectNats, type NatsLink } from './nats-link';
import { provisionStreams } from './provision-streams';

const silent = new Logger('test', 'silent');
const AUDIT = AUDIT_STREAMS.audit.name;
/** Events that each service must be able to record after each loss. */
const ENOUGH = 40;

let cluster: NatsCluster;
let link: NatsLink;
let manager: JetStreamManager;

const linkTo = (url: string): NatsLink => connectNats({ url, service: 'test', logger: silent });

beforeAll(async () => {
  cluster = await startNatsCluster(3);
  link = linkTo(cluster.url);
  // The three find each other first.
  await eventually(() => provisionStreams(link, { replicas: 3 }));
  manager = await jetstreamManager(await link.whenConnected(), { checkAPI: false });
});

afterAll(async () => {
  await link?.close();
  await cluster?.stop();
});

/** Who leads the audit stream and who follows, once all of them have all of it. */
const membersWhenWhole = (): Promise<{ leader: TestServer; followers: TestServer[] }> =>
  eventually(async () => {
    const { cluster: members } = await manager.streams.info(AUDIT);
    const replicas = members?.replicas ?? [];
    expect(replicas.map(({ current, offline }) => current && offline !== true)).toEqual([true, true]);
    return {
      leader: cluster.named(members?.leader ?? ''),
      followers: replicas.map(({ name }) => cluster.named(name)),
    };
  });

/** A service that records one event after the other, each until it is acknowledged; connected to one server at first. */
class Recording {
  readonly acknowledged: string[] = [];
  private readonly stream: NatsAuditStream;
  private going: Promise<void> = Promise.resolve();
  private left = 0;

  constructor({ url }: TestServer) {
    this.stream = new NatsAuditStream(linkTo(url), silent);
  }

  start(): void {
    this.left = Infinity;
    this.going = this.run();
  }

  /** Resolves when it has recorded so many more. */
  async finish(count: number): Promise<void> {
    this.left = count;
    await this.going;
  }

  close(): Promise<void> {
    return this.stream.close();
  }

  private async run(): Promise<void> {
    for (; this.left > 0; this.left -= 1) {
      const event = testEvent('recorded');
      await eventually(() => this.stream.append('audit', event));
      this.acknowledged.push(event.id);
    }
  }
}

/** What happens while all record; milliseconds until each has recorded enough afterwards. */
async function recordThrough(services: Recording[], fault: () => Promise<void> | void): Promise<number> {
  const enough = services.map(({ acknowledged }) => acknowledged.length + ENOUGH);
  services.forEach((service) => service.start());
  await eventually(() =>
    services.forEach(({ acknowledged }, n) => expect(acknowledged.length).toBeGreaterThan(enough[n] as number)),
  );
  await fault();
  const started = performance.now();
  await Promise.all(services.map((service) => service.finish(ENOUGH)));
  return performance.now() - started;
}

async function storedMessages(): Promise<{ messageId: string; event: CloudEvent }[]> {
  const { last_seq: last } = (await manager.streams.info(AUDIT)).state;
  const stored = [];
  for (let seq = 1; seq <= last; seq++) {
    const message = await eventually(() => manager.streams.getMessage(AUDIT, { seq }));
    if (message !== null)
      stored.push({ messageId: message.header.get('Nats-Msg-Id'), event: message.json<CloudEvent>() });
  }
  return stored;
}

const idsOf = (events: { event: CloudEvent }[]): string[] => events.map(({ event }) => event.id);
const missingIn = (all: string[], some: string[]): string[] => {
  const there = new Set(some);
  return all.filter((id) => !there.has(id));
};

test('R-14: with its leader lost, and with a follower frozen, events are recorded on; none that was acknowledged is lost, and one that is there twice has one id', async () => {
  const { leader } = await membersWhenWhole();
  const services = cluster.servers.map((server) => new Recording(server));
  const consumer = new NatsAuditStream(linkTo(leader.url), silent);
  const recorder = recordEvents(consumer, { durable: 'd' });

  // The others elect a leader after 4 to 9 s.
  expect(await recordThrough(services, () => leader.kill())).toBeLessThan(generous(10_000));
  await leader.restart();
  const { followers } = await membersWhenWhole();
  const [follower] = followers as [TestServer];
  services.push(new Recording(follower));
  expect(await recordThrough(services, () => follower.pause())).toBeLessThan(generous(6_000));
  follower.resume();
  await membersWhenWhole();

  const acknowledged = services.flatMap((service) => service.acknowledged);
  // What was on its way to the consumer when its server froze comes again after 30 s.
  await eventually(() => expect(missingIn(acknowledged, idsOf(recorder.items))).toEqual([]), 90_000);
  await Promise.all([...services, consumer].map((one) => one.close()));
  const stored = await storedMessages();
  expect(missingIn(acknowledged, idsOf(stored))).toEqual([]);
  expect(stored.map(({ messageId }) => messageId)).toEqual(idsOf(stored));
});

test('the number of copies that an operator gave a stream stays as it is', async () => {
  await membersWhenWhole();
  const { name } = AUDIT_STREAMS.refusals;
  const copies = async (stream: string): Promise<number> => (await manager.streams.info(stream)).config.num_replicas;
  // Three servers on a busy machine take their time; a call that did not come back is made again.
  await eventually(() => manager.streams.update(name, { num_replicas: 1 }));
  await eventually(async () => expect(await provisionStreams(link, { replicas: 3 })).toEqual([]));
  await eventually(async () => expect([await copies(name), await copies(AUDIT)]).toEqual([1, 3]));
});
