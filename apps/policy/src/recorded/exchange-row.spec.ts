import type { CloudEvent } from '@countersign/contracts';
import { attempts, exchangeEvent, refusedEvent, unverifiedEvent } from './exchange-events.fixture';
import { exchangeRow } from './exchange-row';

describe('what can be decided again', () => {
  const own = { iss: 'https://sts.example', sub: 'github:x' };
  const cases: [string, CloudEvent, boolean][] = [
    ['granted', exchangeEvent(), true],
    ['refused by policy', refusedEvent(), true],
    ['refused for its target', refusedEvent({ reason: 'target_not_allowed' }), true],
    ['refused for its scope', refusedEvent({ reason: 'scope_not_allowed' }), true],
    ['refused before verification', unverifiedEvent(), false],
    ['refused before a role was considered', refusedEvent({ reason: 'actor_not_allowed', decision: null }), false],
    ['a replay', refusedEvent({ reason: 'replayed' }), false],
    ['voided', exchangeEvent({ outcome: 'voided', reason: 'not_recorded' }), false],
    ['a token of ours that was narrowed', exchangeEvent({ claims: own }), false],
    ['claims that were cut', exchangeEvent({ shortened: ['claims'] }), false],
    ['a request that was cut', exchangeEvent({ shortened: ['request'] }), false],
    ['a detail that was cut', exchangeEvent({ shortened: ['detail'] }), true],
    ['a scope of an older version', exchangeEvent({ request: { scope: 'role:x', roles: undefined } }), false],
    ['no scope of an older version', exchangeEvent({ request: { roles: undefined } }), true],
  ];

  it.each(cases)('%s', (_, event, decidable) => {
    expect(attempts(event).map(exchangeRow)).toMatchObject([{ decidable }]);
  });

  it('nothing that does not have the form of an exchange', () => {
    expect(attempts({ ...exchangeEvent(), data: {} }, { ...exchangeEvent(), time: 'noon' })).toEqual([]);
  });
});
