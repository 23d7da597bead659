import { MAX_FAILING_SECONDS, nextEndpointHealth } from './endpoint-health';

const now = 1_800_000_000;

describe('an endpoint after an attempt', () => {
  test.each([
    ['a success forgets failures', now - MAX_FAILING_SECONDS * 2, true, { failingSince: null, disable: false }],
    ['the first failure starts the time', null, false, { failingSince: now, disable: false }],
    ['a later one keeps it', now - 60, false, { failingSince: now - 60, disable: false }],
    [
      'a second before five days it lives',
      now - MAX_FAILING_SECONDS + 1,
      false,
      { failingSince: now - MAX_FAILING_SECONDS + 1, disable: false },
    ],
    [
      'after five days it is disabled',
      now - MAX_FAILING_SECONDS,
      false,
      { failingSince: now - MAX_FAILING_SECONDS, disable: true },
    ],
  ])('%s', (_, failingSince, succeeded, wanted) => {
    expect(nextEndpointHealth(failingSince, succeeded, now)).toEqual(wanted);
  });
});
