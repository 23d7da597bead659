import { RETRY_DELAYS_SECONDS, nextDeliveryState, type AttemptMade, type DeliveryState } from './delivery-state';

const now = 1_800_000_000;
const middle = 0.5;

test('the schedule is the documented one: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h', () => {
  expect(RETRY_DELAYS_SECONDS).toEqual([5, 300, 1_800, 7_200, 18_000, 36_000, 36_000]);
});

const attempt = (changes: Partial<AttemptMade>): AttemptMade => ({
  attemptsMade: 1,
  outcome: { status: 500 },
  now,
  random: middle,
  ...changes,
});
const retryIn = (seconds: number): DeliveryState => ({ kind: 'retryAt', at: now + seconds });
const dead: DeliveryState = { kind: 'dead', reason: 'attempts_exhausted' };

describe('a delivery after an attempt', () => {
  test.each<[string, Partial<AttemptMade>, DeliveryState]>([
    ['200 has delivered', { outcome: { status: 200 } }, { kind: 'delivered' }],
    ['204 has delivered', { outcome: { status: 204 } }, { kind: 'delivered' }],
    ['299 at the last attempt has delivered', { outcome: { status: 299 }, attemptsMade: 8 }, { kind: 'delivered' }],
    ['a redirect is a failure', { outcome: { status: 302 } }, retryIn(5)],
    ['304 is a failure', { outcome: { status: 304 } }, retryIn(5)],
    ['an informational answer is a failure', { outcome: { status: 199 } }, retryIn(5)],
    ['400 is tried again', { outcome: { status: 400 } }, retryIn(5)],
    ['404 is tried again', { outcome: { status: 404 } }, retryIn(5)],
    ['no answer is tried again', { outcome: { error: 'timeout' } }, retryIn(5)],
    ['410 disables the endpoint', { outcome: { status: 410 } }, { kind: 'disableEndpoint', reason: 'gone' }],
    [
      '410 disables it at the last attempt too',
      { outcome: { status: 410 }, attemptsMade: 8 },
      { kind: 'disableEndpoint', reason: 'gone' },
    ],
    ...RETRY_DELAYS_SECONDS.map((delay, index): [string, Partial<AttemptMade>, DeliveryState] => [
      `failure ${index + 1} waits ${delay} s`,
      { attemptsMade: index + 1 },
      retryIn(delay),
    ]),
    ['the eighth failure is the last', { attemptsMade: 8 }, dead],
    ['more attempts than the schedule has', { attemptsMade: 99 }, dead],
    ['another schedule', { attemptsMade: 2, delays: [1, 7] }, retryIn(7)],
    ['an empty schedule', { delays: [] }, dead],
    ['jitter takes a tenth off at most', { attemptsMade: 2, random: 0 }, retryIn(270)],
    ['jitter adds a tenth at most', { attemptsMade: 2, random: 0.999_999 }, retryIn(330)],
    ['Retry-After in seconds', { outcome: { status: 429 }, retryAfter: '120' }, retryIn(120)],
    [
      'Retry-After as a date',
      { outcome: { status: 503 }, retryAfter: new Date((now + 90) * 1000).toUTCString() },
      retryIn(90),
    ],
    ['Retry-After never shortens', { attemptsMade: 2, retryAfter: '1' }, retryIn(300)],
    ['Retry-After in the past', { retryAfter: new Date((now - 90) * 1000).toUTCString() }, retryIn(5)],
    ['Retry-After is bounded by a day', { retryAfter: '999999999' }, retryIn(86_400)],
    ['Retry-After of unbounded length', { retryAfter: '9'.repeat(400) }, retryIn(5)],
    ['Retry-After that is nonsense', { retryAfter: 'soon' }, retryIn(5)],
    ['Retry-After that is negative', { retryAfter: '-5' }, retryIn(5)],
    ['Retry-After does not revive', { attemptsMade: 8, retryAfter: '60' }, dead],
  ])('%s', (_, changes, wanted) => {
    expect(nextDeliveryState(attempt(changes))).toEqual(wanted);
  });
});
