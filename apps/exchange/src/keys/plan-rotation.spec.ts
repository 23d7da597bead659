import { KEY_TIMES } from './key-times';
import { mayTakeOverAt, planRotation, type Occasion, type PlannedKey, type RotationStep } from './plan-rotation';

const times = {
  jwksMaxAge: 300,
  followMargin: 60,
  unconfirmed: 300,
  rotateAfter: 1_000_000,
  maxTokenLifetime: 86_400,
  leeway: 300,
};
const NOW = 1_767_225_600_000;
const ago = (seconds: number): number => NOW - seconds * 1000;
const LEAD = 360;
const STAYS = 300 + 86_400 + 300;

const active = (age: number, changes: Partial<PlannedKey> = {}): PlannedKey => ({
  kid: 'a',
  alg: 'ES256',
  state: 'active',
  createdAt: ago(age + 10_000),
  activatedAt: ago(age),
  requested: false,
  publishedUntil: null,
  ...changes,
});
const next = (age: number, changes: Partial<PlannedKey> = {}): PlannedKey => ({
  ...active(age),
  kid: 'n',
  state: 'next',
  createdAt: ago(age),
  activatedAt: null,
  ...changes,
});
const retired = (changes: Partial<PlannedKey> = {}): PlannedKey => ({
  ...active(5_000),
  kid: 'r',
  state: 'retired',
  publishedUntil: NOW + 1000,
  ...changes,
});

const create = (state: 'active' | 'next', requested = false): RotationStep => ({ do: 'create', state, requested });
const drop = (kid: string): RotationStep => ({ do: 'retire', kid, publishedUntil: NOW });
const takeOver: RotationStep[] = [
  { do: 'retire', kid: 'a', publishedUntil: NOW + STAYS * 1000 },
  { do: 'activate', kid: 'n' },
  create('next'),
];
const request: RotationStep[] = [{ do: 'request', kid: 'n' }];

const plan = (keys: PlannedKey[], occasion: Occasion, alg = 'ES256'): RotationStep[] =>
  planRotation({ keys, now: NOW, alg, occasion, times });

type Case = [guarantee: string, occasion: Occasion, keys: PlannedKey[], steps: RotationStep[], alg?: string];

const cases: Case[] = [
  ['the first start makes an active and a next key', 'start', [], [create('active'), create('next')]],
  ['so does a look at an empty table', 'time', [], [create('active'), create('next')]],
  ['a missing next key is made, and waits', 'time', [active(10)], [create('next')]],
  [
    'a next key without an active one is not kept waiting',
    'time',
    [next(1)],
    [{ do: 'activate', kid: 'n' }, create('next')],
  ],

  ['nothing is done before the active key is old', 'time', [active(999_999), next(999_999)], []],
  ['an old key is replaced at its age, to the second', 'time', [active(1_000_000), next(1_000_000)], takeOver],
  ['an old key waits for a next one that was made late', 'time', [active(1_000_000), next(LEAD - 1)], request],
  ['and is replaced when that was published long enough', 'time', [active(2_000_000), next(LEAD)], takeOver],
  ['retired keys change nothing', 'time', [active(10), next(10), retired()], []],

  [
    'a demanded rotation is done at once when verifiers know the next key',
    'rotate',
    [active(10), next(LEAD)],
    takeOver,
  ],
  ['a demanded rotation waits until they do', 'rotate', [active(10), next(LEAD - 1)], request],
  ['a second demand changes nothing', 'rotate', [active(10), next(LEAD - 1, { requested: true })], []],
  ['what was demanded is done when its time has come', 'time', [active(10), next(LEAD, { requested: true })], takeOver],
  ['and not a second earlier', 'time', [active(10), next(LEAD - 1, { requested: true })], []],
  ['a demand without a next key makes one that takes over', 'rotate', [active(10)], [create('next', true)]],

  ['a start with the same algorithm changes nothing', 'start', [active(10), next(10)], []],
  [
    'another algorithm replaces the next key and demands it',
    'start',
    [active(10), next(9_000)],
    [drop('n'), create('next', true)],
    'RS256',
  ],
  ['a next key of that algorithm is demanded', 'start', [active(10), next(10, { alg: 'RS256' })], request, 'RS256'],
  ['and takes over when it is known', 'start', [active(10), next(LEAD, { alg: 'RS256' })], takeOver, 'RS256'],
  [
    'going back before it took over undoes it',
    'start',
    [active(10), next(10, { alg: 'RS256', requested: true })],
    [drop('n'), create('next')],
  ],
  ['a replica with another setting does not fight later', 'time', [active(10), next(9_000)], [], 'EdDSA'],

  [
    'an emergency ends every key and starts afresh',
    'emergency',
    [active(10), next(9_000), retired()],
    [drop('a'), drop('n'), drop('r'), create('active'), create('next')],
  ],
];

// A fifth parameter would be taken for Jest's callback in the rows that have four.
test.each(cases)('%s', (...row) => {
  const [, occasion, keys, steps, alg] = row;
  expect(plan(keys, occasion, alg)).toEqual(steps);
});

// R-24, I5: what the constants promise, whatever they are changed to.
test('a key is published longer than any copy of the JWKS lives before it signs', () => {
  const madeAt = NOW;
  expect(mayTakeOverAt(madeAt, KEY_TIMES) - madeAt).toBeGreaterThan(KEY_TIMES.jwksMaxAge * 1000);
});

test('a retired key is published until the last token that a replica can have signed with it has expired', () => {
  const keys = [active(KEY_TIMES.rotateAfter), next(KEY_TIMES.rotateAfter)];
  const steps = planRotation({ keys, now: NOW, alg: 'ES256', occasion: 'time', times: KEY_TIMES });
  const lastExp = NOW + (KEY_TIMES.unconfirmed + 86_400) * 1000;
  expect(steps[0]).toMatchObject({ do: 'retire', kid: 'a' });
  expect((steps[0] as { publishedUntil: number }).publishedUntil).toBeGreaterThan(lastExp);
});

test('every plan, carried out, leaves one active and one next key that need nothing more', () => {
  const states: PlannedKey[][] = cases.map(([, , keys]) => keys);
  const occasions: Occasion[] = ['time', 'start', 'rotate', 'emergency'];
  for (const keys of states) {
    for (const occasion of occasions) {
      const after = plan(keys, occasion).reduce(carryOut, keys);
      const alive = after.filter(({ state }) => state !== 'retired').map(({ state }) => state);
      expect(alive.sort()).toEqual(['active', 'next']);
      expect(plan(after, 'time')).toEqual([]);
    }
  }
});

function carryOut(keys: PlannedKey[], step: RotationStep): PlannedKey[] {
  if (step.do === 'create') {
    const { state, requested } = step;
    const made = { ...next(0), kid: `new ${keys.length}`, state, requested };
    return [...keys, { ...made, activatedAt: state === 'active' ? NOW : null }];
  }
  const change: Partial<PlannedKey> = {
    retire: { state: 'retired' as const, publishedUntil: NOW },
    activate: { state: 'active' as const, activatedAt: NOW },
    request: { requested: true },
  }[step.do];
  return keys.map((key) => (key.kid === step.kid ? { ...key, ...change } : key));
}
