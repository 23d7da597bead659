import { matchesFilter, type EventFilter } from './event-filter';

const everything: EventFilter = { types: [], issuers: [], roles: [], outcomes: [] };
const event = { type: 't.granted', issuer: 'github', roles: ['deploy', 'read'], outcome: 'granted' };
const bare = { type: 't.applied', issuer: null, roles: [], outcome: null };

describe('an endpoint hears', () => {
  test.each<[string, Partial<EventFilter>, boolean, boolean]>([
    ['everything with an empty filter', {}, true, true],
    ['a type it names', { types: ['t.granted', 'x'] }, true, false],
    ['no other type', { types: ['x'] }, false, false],
    ['no prefix of a type', { types: ['t.grant', 't.', '*'] }, false, false],
    ['an issuer it names', { issuers: ['github'] }, true, false],
    ['no other issuer', { issuers: ['gitlab', 'GitHub', ''] }, false, false],
    ['any of the roles', { roles: ['read'] }, true, false],
    ['no other roles', { roles: ['rea'] }, false, false],
    ['an outcome it names', { outcomes: ['denied', 'granted'] }, true, false],
    ['nothing when one of its lists does not fit', { types: ['t.granted'], issuers: ['gitlab'] }, false, false],
    [
      'what fits all of its lists',
      { types: ['t.granted'], issuers: ['github'], roles: ['deploy'], outcomes: ['granted'] },
      true,
      false,
    ],
  ])('%s', (_, filter, full, empty) => {
    expect(matchesFilter({ ...everything, ...filter }, event)).toBe(full);
    expect(matchesFilter({ ...everything, ...filter }, bare)).toBe(empty);
  });
});
