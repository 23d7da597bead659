import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  compileSnapshot,
  decideExchange,
  evaluatePermission,
  operatorNames,
  type CountersignDocument,
} from '@countersign/policy-engine';
import { parse } from 'yaml';
import { parseDocument } from './documents';

interface Matrix {
  operators: Record<string, Record<'value' | 'yes' | 'no' | 'wrong', unknown>>;
  forms: Record<string, Record<string, { allow: boolean; deny: boolean; negative?: boolean }>>;
}

const path = join(__dirname, '../../policy-engine/testdata/matrix/operators.yaml');
const { operators, forms } = parse(readFileSync(path, 'utf8'), { merge: true }) as Matrix;

const iss = 'https://ci.example.com';
const now = 1_760_000_000;

function document(kind: string, name: string, spec: object): CountersignDocument {
  const result = parseDocument({ apiVersion: 'countersign.dev/v1', kind, metadata: { name }, spec });
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.document;
}

const statement = (effect: string, condition?: object) => ({
  statement: [{ effect, action: '*', resource: '*', ...(condition ? { condition } : {}) }],
});

/** Whether the role, the Allow and the Deny with this condition take effect for these claims. */
function outcomeOf(operator: string, value: unknown, claims: Record<string, unknown>) {
  const condition = { [operator]: { 'jwt:probe': value } };
  const pinned = { ...condition, StringEqual: { ...condition['StringEqual'], 'jwt:iss': iss } };
  const snapshot = compileSnapshot({
    documents: [
      document('JwtIssuer', 'ci', { iss, aud: 'x' }),
      document('Policy', 'all', statement('Allow')),
      document('Policy', 'allow', statement('Allow', condition)),
      document('Policy', 'deny', statement('Deny', condition)),
      document('Role', 'role', { policy: 'all', condition: pinned }),
    ],
    publicUrl: 'https://sts.example.com',
    revision: 1,
  });
  expect(snapshot.errors).toEqual([]);
  const permits = (...policies: string[]): boolean =>
    evaluatePermission(snapshot, {
      policies,
      claims,
      subject: { type: 'user', id: 'x', properties: {} },
      action: { name: 'A:B', properties: {} },
      resource: 'r:x',
      resourceProperties: {},
      context: {},
      sourceIp: null,
      now,
    }).effect === 'Allow';
  const request = { issuer: 'ci', audiences: [], roles: null, policies: null, sourceIp: null, now };
  const role = decideExchange(snapshot, { ...request, claims: { ...claims, iss } }).effect === 'Allow';
  return { role, allow: permits('allow'), deny: !permits('all', 'deny') };
}

/** `yes and wrong` -> the claim; in arrays where the form is about arrays. */
function claimsOf(state: string, values: Record<string, unknown>, isArray: boolean): Record<string, unknown> {
  if (state === 'missing') return {};
  if (state === 'empty') return { probe: [] };
  if (state === 'scalar') return { probe: values['yes'] };
  const parts = state.split(' and ').map((part) => values[part]);
  return { probe: isArray ? parts : parts[0] };
}

const isNegative = (operator: string): boolean => operator.includes('Not');

test('the matrix has every operator; Null, which asks for presence alone, is in the corpus', () => {
  expect([...Object.keys(operators), 'Null'].sort()).toEqual([...operatorNames].sort());
});

const rows = Object.keys(forms).flatMap((form) =>
  Object.keys(operators).map((operator) => [form.replace('{}', operator), form, operator] as const),
);

test.each(rows)('%s: Roles, Allows and Denies take effect as the rules say', (name, form, operator) => {
  const values = operators[operator] ?? { value: '' };
  const states = Object.entries(forms[form] ?? {});
  const outcomes = states.map(([state]) => {
    const claims = claimsOf(state, values, form.startsWith('For'));
    return [state, outcomeOf(name, values.value, claims)];
  });
  const expected = states.map(([state, { allow, deny, negative = deny }]) => [
    state,
    { role: allow, allow, deny: isNegative(operator) ? negative : deny },
  ]);
  expect(Object.fromEntries(outcomes)).toEqual(Object.fromEntries(expected));
});
