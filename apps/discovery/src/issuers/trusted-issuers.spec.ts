import {
  issuerKeysChanged,
  listIssuers,
  policyChanged,
  type AuditStreamName,
  type CloudEvent,
  type IssuerRegistration,
} from '@countersign/contracts';
import { AuditStream, InProcessBus } from '@countersign/messaging';
import { Logger, newTrace, Readiness, UnavailableError } from '@countersign/platform';
import { issuerRegistration } from '@countersign/testing';
import { fetched, issuer, startCluster } from '../keys/cluster.fixture';
import type { FetchedKeys } from '../keys/fetch-keys';
import type { KeySets } from '../keys/key-sets';
import type { DiscoveryConfig } from '../config';
import { IssuerEvents } from './issuer-events';
import { TrustedIssuers } from './trusted-issuers';

const logger = new Logger('test', 'silent');
const caller = { author: 'bootstrap', trace: newTrace() };

/** One replica of discovery beside a policy service that trusts these issuers. */
function start(answer: () => Promise<FetchedKeys> | FetchedKeys = () => fetched('k1')) {
  const cluster = startCluster(answer);
  const bus = new InProcessBus(logger);
  const policy = { revision: 1, issuers: [issuerRegistration()], isDown: false, asked: [] as (number | undefined)[] };
  bus.serve(listIssuers, ({ atLeast }) => {
    policy.asked.push(atLeast);
    if (policy.isDown) throw new Error('down');
    return { revision: policy.revision, issuers: policy.issuers };
  });
  const announced: string[] = [];
  bus.subscribe(issuerKeysChanged, ({ iss }) => void announced.push(iss));
  const keySets = { create: (one: IssuerRegistration) => cluster.replica(one) } as unknown as KeySets;
  const trail = { isFull: false, types: [] as string[] };
  const append = async (_: AuditStreamName, { type }: CloudEvent): Promise<void> => {
    if (trail.isFull) throw new UnavailableError('audit-stream');
    trail.types.push(type);
  };
  const stream = { append } as unknown as AuditStream;
  const events = new IssuerEvents(stream, logger, { publicUrl: 'https://sts.test' } as DiscoveryConfig);
  const issuers = new TrustedIssuers(bus, keySets, logger, events, new Readiness());
  const apply = async (...documents: IssuerRegistration[]): Promise<void> => {
    policy.revision += 1;
    policy.issuers = documents;
    await issuers.load(policy.revision);
    await new Promise(setImmediate);
  };
  const find = async (kid: string, iss = issuer.iss): Promise<string> =>
    (await issuers.find(iss)?.find(kid))?.status ?? 'not trusted';
  return { ...cluster, bus, policy, announced, trail, issuers, apply, find };
}

describe('the trusted issuers', () => {
  it('are unavailable until the documents are known', () => {
    expect(() => start().issuers.find(issuer.iss)).toThrow(UnavailableError);
  });

  it('keep their keys when anything but their source changes, and the exchanges hear of it', async () => {
    const { world, issuers, apply, announced, find } = start();
    await issuers.load();
    await find('k1');
    await apply(issuerRegistration({ aud: ['https://other.test'], name: 'renamed' }));
    expect(await find('k1')).toBe('found');
    expect(issuers.find(issuer.iss)?.issuer).toMatchObject({ aud: ['https://other.test'], name: 'renamed' });
    expect(world.fetches).toBe(1);
    expect(announced).toEqual([issuer.iss]);
  });

  it.each<[string, Partial<IssuerRegistration>]>([
    ['another URL', { jwksUri: 'https://b.test/jwks' }],
    ['another base', { issInternal: 'https://b.test' }],
    ['other certificates', { caCertificate: 'PEM' }],
    ['keys of its own', { jwks: { keys: [] } }],
  ])('serve no key of a source that the document no longer names: %s', async (_, source) => {
    const { world, issuers, apply, announced, find } = start();
    await issuers.load();
    await find('k1');
    world.answer = () => fetched('k2');
    await apply(issuerRegistration(source));
    expect([await find('k1'), await find('k2')]).toEqual(['kid_unknown', 'found']);
    expect(announced).toContain(issuer.iss);
  });

  it('do not take over a fetch that began before their source changed', async () => {
    let reply: (keys: FetchedKeys) => void = () => undefined;
    const { world, issuers, apply, find } = start(() => new Promise((resolve) => (reply = resolve)));
    await issuers.load();
    while (world.fetches < 1) await new Promise(setImmediate);
    world.answer = () => fetched('k2');
    await apply(issuerRegistration({ jwksUri: 'https://b.test/jwks' }));
    expect(await find('k2')).toBe('found');
    reply(fetched('k1'));
    await new Promise(setImmediate);
    expect([await find('k1'), await find('k2')]).toEqual(['kid_unknown', 'found']);
    expect(world.changes).toBe(1);
  });

  it('are not found when disabled or gone, and found again with the keys they had', async () => {
    const { world, issuers, apply, announced, find } = start();
    await issuers.load();
    await find('k1');
    await apply(issuerRegistration({ disabled: true }));
    expect([await find('k1'), issuers.statuses()[0]?.state]).toEqual(['not trusted', 'disabled']);
    await issuers.refresh(issuers.byName('a') as never, caller);
    await apply(issuerRegistration());
    expect([await find('k1'), world.fetches]).toEqual(['found', 1]);
    await apply();
    expect([await find('k1'), issuers.statuses()]).toEqual(['not trusted', []]);
    expect(announced).toEqual([issuer.iss, issuer.iss, issuer.iss]);
  });

  it('are refreshed on demand only when that can be recorded (AUD-04)', async () => {
    const { world, issuers, trail, find } = start();
    await issuers.load();
    await find('k1');
    const refresh = (): Promise<void> => issuers.refresh(issuers.byName('a') as never, caller);
    trail.isFull = true;
    await expect(refresh()).rejects.toThrow(UnavailableError);
    expect(world.fetches).toBe(1);
    trail.isFull = false;
    await refresh();
    expect([world.fetches, trail.types]).toEqual([2, ['dev.countersign.issuer.refreshed.v1']]);
  });

  it('stay as they are while policy does not answer', async () => {
    const { policy, issuers, find } = start();
    await issuers.load();
    policy.isDown = true;
    await issuers.load(2);
    expect(await find('k1')).toBe('found');
  });

  it('are never asked of a replica of policy that is behind what was announced', async () => {
    const { bus, policy, issuers } = start();
    await issuers.load();
    policy.revision = 7;
    bus.publish(policyChanged, { revision: 7 });
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    await issuers.load();
    expect(policy.asked.slice(0, 2)).toEqual([0, 7]);
    expect(new Set(policy.asked.slice(1))).toEqual(new Set([7]));
  });

  it('go back with a database that was restored', async () => {
    const { policy, issuers, find } = start();
    policy.revision = 40;
    await issuers.load();
    Object.assign(policy, { revision: 3, issuers: [] });
    await issuers.load();
    expect(await find('k1')).toBe('not trusted');
  });

  it('are read a few times whatever the number of announcements', async () => {
    const { policy, issuers } = start();
    await Promise.all(Array.from({ length: 100 }, (_, i) => issuers.load(i)));
    expect(policy.asked.length).toBeLessThanOrEqual(2);
  });

  it('do not wait for one another: hundreds that hang delay none that answers (JWK-13)', async () => {
    const { world, policy, issuers, find } = start(() => new Promise(() => undefined));
    const hanging = Array.from({ length: 300 }, (_, i) =>
      issuerRegistration({ name: `h${i}`, iss: `https://h${i}.test` }),
    );
    policy.issuers = [...hanging, issuerRegistration()];
    await issuers.load();
    while (world.fetches < 32) await new Promise(setImmediate);
    world.answer = () => fetched('k1');
    expect(await find('k1')).toBe('found');
  });
});
