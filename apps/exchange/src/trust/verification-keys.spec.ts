import { getIssuerKeys, issuerKeysChanged, policyChanged, type IssuerKeys } from '@countersign/contracts';
import { InProcessBus } from '@countersign/messaging';
import { Logger, UnavailableError } from '@countersign/platform';
import { trustedIssuer } from '@countersign/testing';
import { Refusal } from '../token/refusal';
import { VerificationKeys } from './verification-keys';

const asked = { iss: 'https://a.test', kid: 'k1' };
const issuer = trustedIssuer();
const found = (kid: string): IssuerKeys => ({ status: 'found', issuer, keys: [{ kty: 'RSA', kid }], rejectedKeys: [] });

/** Past what a change takes to settle; monotonic time moves with the system time here. */
const passSettling = (): void => void jest.advanceTimersByTime(1_001);

function start(answer: (kid: string | null) => Promise<IssuerKeys> | IssuerKeys) {
  const bus = new InProcessBus(new Logger('test', 'silent'));
  const world = { answer, asked: 0 };
  bus.serve(getIssuerKeys, ({ kid }) => {
    world.asked += 1;
    return world.answer(kid);
  });
  return { bus, world, keys: new VerificationKeys(bus) };
}

beforeEach(() => jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] }));
afterEach(() => jest.useRealTimers());

const announced = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe('keys of an issuer in the exchange', () => {
  it('are asked for once however many tokens come at the same time, and then remembered for 30 seconds', async () => {
    const { world, keys } = start(() => found('k1'));
    const values = await Promise.all(Array.from({ length: 50 }, () => keys.find(asked)));
    expect(new Set(values).size).toBe(1);
    await keys.find(asked);
    expect(world.asked).toBe(1);
    jest.advanceTimersByTime(30_001);
    await keys.find(asked);
    expect(world.asked).toBe(2);
  });

  it.each([
    ['documents', (bus: InProcessBus) => bus.publish(policyChanged, { revision: 2 })],
    ['keys', (bus: InProcessBus) => bus.publish(issuerKeysChanged, { iss: asked.iss })],
  ])('are dropped when %s change: the next token waits for the new ones', async (_, publish) => {
    const { bus, world, keys } = start(() => found('k1'));
    await keys.find(asked);
    world.answer = () => ({ ...found('k1'), keys: [{ kty: 'EC', kid: 'k1' }] }) as IssuerKeys;
    publish(bus);
    await announced();
    expect((await keys.find(asked)).keys).toEqual([{ kty: 'EC', kid: 'k1' }]);
  });

  it('are not remembered while a change settles: a replica of discovery may not have heard of it', async () => {
    const { bus, world, keys } = start(() => found('k1'));
    bus.publish(issuerKeysChanged, { iss: asked.iss });
    await announced();
    await keys.find(asked);
    await keys.find(asked);
    expect(world.asked).toBe(2);
    passSettling();
    await keys.find(asked);
    await keys.find(asked);
    expect(world.asked).toBe(3);
  });

  it('that were asked for before a change are not given to whoever asks after it', async () => {
    const { bus, world, keys } = start(() => new Promise(() => undefined));
    keys.find(asked).catch(() => undefined);
    await announced();
    world.answer = () => found('k1');
    bus.publish(issuerKeysChanged, { iss: asked.iss });
    await announced();
    expect((await keys.find(asked)).keys).toEqual([{ kty: 'RSA', kid: 'k1' }]);
  });

  it('that discovery is fetching are asked for again, until it has them', async () => {
    const { world, keys } = start(() => (world.asked < 3 ? { status: 'pending' } : found('k1')));
    expect((await keys.find(asked)).keys).toEqual([{ kty: 'RSA', kid: 'k1' }]);
    expect(world.asked).toBe(3);
  });

  it('that take longer than any fetch are unavailable, as they are within a second when nobody answers', async () => {
    const { world, keys } = start(() => {
      jest.advanceTimersByTime(400);
      return { status: 'pending' };
    });
    await expect(keys.find(asked)).rejects.toThrow(UnavailableError);
    expect(world.asked).toBeGreaterThan(10);
    world.answer = () => new Promise(() => undefined);
    const lost = expect(keys.find(asked)).rejects.toThrow(UnavailableError);
    await announced();
    jest.advanceTimersByTime(1_000);
    await lost;
  });

  it.each<[string, IssuerKeys, typeof Refusal | typeof UnavailableError]>([
    ['nobody trusts its issuer', { status: 'issuer_unknown' }, Refusal],
    ['nobody knows its kid', { status: 'kid_unknown', issuer }, Refusal],
    ['its issuer cannot be asked', { status: 'unavailable', issuer }, UnavailableError],
  ])('leave nothing in memory for a token when %s (JWK-27)', async (_, answer, expected) => {
    const { world, keys } = start(() => answer);
    for (let i = 0; i < 200; i += 1) {
      await expect(keys.find({ iss: `https://${i}.test`, kid: `k${i}` })).rejects.toThrow(expected);
    }
    expect(world.asked).toBe(200);
    const maps = Object.values(keys as object).filter((value) => value instanceof Map);
    expect(maps.map(({ size }) => size)).toEqual([0, 0]);
  });
});
