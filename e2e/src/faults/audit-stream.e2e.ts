import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  diskRefusal,
  eventually,
  generous,
  startLocalIssuer,
  TestDisk,
  testUnless,
  type LocalIssuer,
  type ServiceName,
  type Stack,
  type StackService,
} from '@countersign/testing';
import { RawNats } from '../robustness/raw-nats';
import { Attempts } from '../support/attempts';
import { admin, apply, startTestStack } from '../support/client';
import { acmeWeb } from '../support/documents';

const AUDIT = 'COUNTERSIGN_AUDIT';
const ROOM_BYTES = 32 * 1024 * 1024;
/** A good deal more than fit into what is left. */
const MOST_EXCHANGES = 60;
const refusal = diskRefusal('tmpfs');

describe('the stream of audit events, in the distributed mode', () => {
  let disk: TestDisk | null = null;
  let stack: Stack;
  let issuer: LocalIssuer;
  let attempts: Attempts;

  const only = (name: ServiceName): StackService => stack.replicasOf(name)[0] as StackService;

  /** A call of the JetStream API about the stream, as somebody who may do anything. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  async function streamCall(call: 'INFO' | 'UPDATE' | 'DELETE', payload?: object): Promise<any> {
    const raw = await RawNats.connect(stack.nats.url.replace('//', '//operator:operator-password@'));
    const answer: unknown = await raw.request(`$JS.API.STREAM.${call}.${AUDIT}`, JSON.stringify(payload));
    raw.close();
    return answer;
  }

  /** None of the services may delete a stream: adds a user who may. */
  async function addOperator(): Promise<void> {
    const folder = dirname(dirname(only('audit').logFile));
    const file = join(folder, 'nats', 'nats.conf');
    const user = '{ user: operator, password: "operator-password" }';
    await writeFile(file, (await readFile(file, 'utf8')).replace('users: [', `users: [\n${user}\n`));
    await stack.nats.restart();
  }

  const limitTo = async (bytes: number): Promise<void> => {
    const { config } = await streamCall('INFO');
    expect((await streamCall('UPDATE', { ...config, max_bytes: bytes })).error).toBeUndefined();
  };

  const readyOf = async (url: string): Promise<number> => (await fetch(`${url}/health/ready`)).status;

  async function metricOf(service: StackService, name: string): Promise<string | undefined> {
    const lines = (await (await fetch(`${service.managementUrl}/metrics`)).text()).split('\n');
    return lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1);
  }

  const streamIsThere = (service: StackService): Promise<string | undefined> =>
    metricOf(service, 'countersign_health_check_ok{check="AuditStream"}');

  beforeAll(async () => {
    disk = refusal === null ? await TestDisk.make('tmpfs') : null;
    const place = disk === null ? {} : { natsDisk: disk };
    [stack, issuer] = await Promise.all([startTestStack(place), startLocalIssuer()]);
    await addOperator();
    attempts = new Attempts(stack, issuer);
    await eventually(() => apply(stack, acmeWeb(issuer.iss)));
    await attempts.untilGranted();
  });

  afterAll(async () => {
    await stack?.stop();
    await issuer?.stop();
    await disk?.remove();
  });

  it('R-11: full while nobody reads it, it refuses and discards nothing; with more room exchanges go on', async () => {
    only('audit').pause();
    const { state: before } = await streamCall('INFO');
    await limitTo(before.bytes + 10_000);
    const refused = await attempts.untilUnavailable(MOST_EXCHANGES);
    await attempts.expectUnavailable(refused);
    const { state } = await streamCall('INFO');
    expect(state).toMatchObject({ first_seq: 1, messages: state.last_seq });
    expect(state.messages).toBeGreaterThan(before.messages);
    await limitTo(-1);
    expect(await attempts.untilGranted(refused)).toBeLessThan(generous(5_000));
    only('audit').resume();
    await attempts.recorded();
  });

  testUnless(
    refusal,
    'R-10: on a full disk nothing is issued, what was acknowledged is kept, and NATS started again with room is all it takes',
    async () => {
      only('audit').pause();
      await disk?.leaveFree(0);
      const refused = await attempts.untilUnavailable(MOST_EXCHANGES);
      await attempts.expectUnavailable(refused);
      await eventually(async () => expect(await readyOf(stack.url)).toBe(503));
      expect(await streamIsThere(only('exchange'))).toBe('0');
      await disk?.leaveFree(ROOM_BYTES);
      // nats-server 2.9 hangs and hears no other signal.
      await stack.nats.kill();
      await stack.nats.restart();
      expect(await attempts.untilGranted(refused)).toBeLessThan(generous(5_000));
      only('audit').resume();
      await attempts.recorded();
    },
  );

  it('R-09: deleted, nothing is issued and nobody makes it anew but audit at its start; the trail says that it began again', async () => {
    const others = stack.services.filter(({ name }) => name !== 'audit').map(({ pid }) => pid);
    await attempts.untilGranted();
    await attempts.recorded();
    const gaps = 'countersign_audit_stream_gap_events{stream="audit"}';
    await eventually(async () => expect(await metricOf(only('audit'), gaps)).toBe('0'));
    // Somebody who hears the events does not stand for the stream.
    const listener = await RawNats.connect(stack.natsUrl('subscriber'));
    listener.say('SUB countersign.audit.> 1');
    await listener.settled();
    expect(await streamCall('DELETE')).toMatchObject({ success: true });

    const refused = await attempts.token();
    await attempts.expectUnavailable(refused);
    await attempts.expectUnavailable(refused);
    listener.close();
    await attempts.expectUnavailable(refused);
    for (const name of ['exchange', 'audit'] as const) {
      expect(await readyOf(only(name).url)).toBe(503);
      expect(await streamIsThere(only(name))).toBe('0');
    }
    expect((await streamCall('INFO')).error).toMatchObject({ code: 404 });

    await only('audit').restart();
    expect(await attempts.untilGranted(refused)).toBeLessThan(generous(5_000));
    expect(await readyOf(stack.url)).toBe(200);
    await attempts.recorded();
    expect(stack.services.filter(({ name }) => name !== 'audit').map(({ pid }) => pid)).toEqual(others);
    const [event] = await eventually(async () => {
      const { body } = await admin(stack, 'GET', '/v1/events?type=dev.countersign.audit.stream_restarted.v1');
      expect(body.items).toHaveLength(1);
      return body.items as { data: { stream: string; readUpTo: string } }[];
    });
    expect(event?.data).toMatchObject({ stream: AUDIT, readUpTo: expect.stringMatching(/^[1-9]\d*$/) });
  });
});
