import { ProblemError } from '@countersign/platform';
import { parseRevocation } from './revocation-schema';

const errorsOf = (body: unknown) => {
  try {
    parseRevocation(body);
  } catch (error) {
    if (error instanceof ProblemError)
      return [error.code, error.extras.errors?.map(({ code, path }) => `${code} ${path}`)];
    throw error;
  }
  return null;
};

it('fills in what is left out', () => {
  expect(parseRevocation({ role: 'deployers', reason: ' leaked ' })).toEqual({
    issuer: null,
    role: 'deployers',
    claims: {},
    reason: 'leaked',
  });
});

it.each([
  ['no body', undefined, ['required ']],
  ['a list', [], ['invalid_value ']],
  ['nothing to match', { reason: 'x' }, ['invalid_value ']],
  ['no reason', { issuer: 'github' }, ['required /reason']],
  ['a blank reason', { issuer: 'github', reason: '  ' }, ['invalid_value /reason']],
  ['an unknown field', { issuer: 'github', reason: 'x', isuer: 'y' }, ['unknown_field /isuer']],
  ['empty claims', { claims: {}, reason: 'x' }, ['invalid_value /claims']],
  ['a claim that is no string', { claims: { run_id: 42 }, reason: 'x' }, ['invalid_value /claims/run_id']],
  ['an empty claim', { claims: { run_id: '' }, reason: 'x' }, ['invalid_value /claims/run_id']],
  ['a name to escape', { claims: { 'a/b~': 1 }, reason: 'x' }, ['invalid_value /claims/a~1b~0']],
  ['an empty issuer', { issuer: '', reason: 'x' }, ['invalid_value /issuer']],
  ['a role that is null', { role: null, reason: 'x' }, ['invalid_value /role']],
])('refuses %s and says where', (_, body, errors) => {
  expect(errorsOf(body)).toEqual(['invalid-document', errors]);
});

it('refuses more claims than anybody means', () => {
  const claims = Object.fromEntries(Array.from({ length: 21 }, (_, index) => [`c${index}`, 'x']));
  expect(errorsOf({ claims, reason: 'x' })).toEqual(['invalid-document', ['invalid_value /claims']]);
});
