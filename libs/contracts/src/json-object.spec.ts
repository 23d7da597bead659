import { decideExchange } from './messages';

const request = {
  issuer: 'github',
  claims: { iss: 'https://issuer.example', nested: { deep: [1] } },
  ...{ audiences: [], roles: null, policies: null, sourceIp: null, now: 1 },
};

it('hands on the claims of a request as they came', () => {
  expect(decideExchange.input.parse(request).claims).toBe(request.claims);
});

it.each([
  ['nothing', undefined],
  ['null', null],
  ['a text', 'iss'],
  ['a list', [{ iss: 'x' }]],
])('refuses claims that are %s', (_, claims) => {
  const { success, error } = decideExchange.input.safeParse({ ...request, claims });
  expect({ success, paths: error?.issues.map(({ path }) => path) }).toEqual({ success: false, paths: [['claims']] });
});
