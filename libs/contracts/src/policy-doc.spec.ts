import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  commonCondition,
  compileSnapshot,
  decideExchange,
  evaluatePermission,
  operatorNames,
  type CountersignDocument,
  type RoleSpec,
} from '@countersign/policy-engine';
import { loadClaims } from '@countersign/testing';
import { parse } from 'yaml';
import { parseDocument } from './documents';

const text = readFileSync(join(__dirname, '../../../docs/policy.md'), 'utf8');

type Json = Record<string, unknown>;

interface Attempt {
  claims?: string | Json;
  set?: Json;
  sourceIp?: string;
  time?: string;
  action?: string;
  resource?: string;
  subject?: Json;
  resourceProperties?: Json;
  context?: Json;
}

interface Example {
  role?: Json;
  condition?: Json;
  statement?: Json[];
  allows?: Attempt[];
  denies?: Attempt[];
  refused?: string;
}

const blocks = [...text.matchAll(/(?:^<!-- (\w+) -->\n\n)?^```yaml\n(.*?)^```$/gms)].map(([, mark, body = '']) => ({
  mark,
  body,
  line: body.split('\n').slice(0, 2).join(' '),
}));
const examples = blocks
  .filter(({ mark }) => mark === 'decision')
  .map(({ body, line }) => [line, parse(body) as Example] as const);

const iss = 'https://ci.example.com';
const issuers = [
  iss,
  'https://token.actions.githubusercontent.com',
  'https://ghe.example.com/_services/token',
  'https://gitlab.com',
];

const document = (kind: string, name: string, spec: Json) =>
  parseDocument({ apiVersion: 'countersign.dev/v1', kind, metadata: { name }, spec });

/** The part that the example is about: a role, the condition of one, or the statements of a policy. */
function written({ role, condition, statement }: Example) {
  if (statement) return document('Policy', 'p', { statement });
  const pinned = { ...condition, StringEqual: { 'jwt:iss': iss, ...(condition?.['StringEqual'] as Json | undefined) } };
  return document('Role', 'r', role ? { policy: 'p', ...role } : { policy: 'p', condition: pinned });
}

function roleOf(example: Example): RoleSpec {
  const result = written(example);
  if (!result.ok || result.document.kind !== 'Role') throw new Error('not a role');
  return result.document.spec;
}

function snapshotOf(example: Example) {
  const everything = { statement: [{ effect: 'Allow', action: '*', resource: '*' }] };
  const parsed = [
    ...issuers.map((url, index) => document('JwtIssuer', `issuer-${index}`, { iss: url, aud: 'https://sts.test' })),
    ...(example.statement ? [] : [document('Policy', 'p', everything)]),
    written(example),
  ];
  const documents = parsed.map((result): CountersignDocument => {
    if (!result.ok) throw new Error(JSON.stringify(result.errors));
    return result.document;
  });
  return compileSnapshot({ documents, publicUrl: 'https://sts.test', revision: 1 });
}

const claimsOf = ({ claims = {}, set }: Attempt): Json => ({
  iss,
  ...(typeof claims === 'string' ? loadClaims(claims) : claims),
  ...set,
});

function decide(example: Example, attempt: Attempt): 'Allow' | 'Deny' {
  const snapshot = snapshotOf(example);
  const claims = claimsOf(attempt);
  const { sourceIp = null, time, action, resource = '' } = attempt;
  const now = time === undefined ? 1_790_000_000 : Date.parse(time) / 1000;
  if (action === undefined) {
    const issuer = `issuer-${issuers.indexOf(String(claims['iss']))}`;
    const request = { issuer, claims, audiences: [], roles: null, policies: null, sourceIp, now };
    return decideExchange(snapshot, request).effect;
  }
  const { subject = {}, resourceProperties = {}, context = {} } = attempt;
  return evaluatePermission(snapshot, {
    policies: ['p'],
    claims,
    subject: { type: 'user', id: 'ann', properties: subject },
    action: { name: action, properties: {} },
    resource,
    resourceProperties,
    context,
    sourceIp,
    now,
  }).effect;
}

describe('docs/policy.md says what the engine does', () => {
  test.each(examples)('%s', (_, example) => {
    const { allows = [], denies = [], refused } = example;
    expect(allows.length + denies.length + (refused === undefined ? 0 : 1)).toBeGreaterThan(0);
    if (refused !== undefined) {
      const result = written(example);
      expect(result.ok ? [] : result.errors.map(({ code }) => code)).toContain(refused);
      return;
    }
    const decided = (attempts: Attempt[]) => attempts.map((attempt) => [attempt, decide(example, attempt)]);
    expect(decided(allows)).toEqual(allows.map((attempt) => [attempt, 'Allow']));
    expect(decided(denies)).toEqual(denies.map((attempt) => [attempt, 'Deny']));
  });

  test('every YAML block is an example, but for the one that is marked as text', () => {
    expect(blocks.filter(({ mark }) => mark !== 'decision').map(({ body }) => body.startsWith('# text\n'))).toEqual([
      true,
    ]);
  });

  test('every operator, prefix and suffix has an example', () => {
    const all = JSON.stringify(examples);
    const written = [...operatorNames, 'ForAnyValue:StringEqual', 'ForAllValues:StringLike', 'StringEqualIfExists'];
    expect(written.filter((name) => !all.includes(`"${name}"`))).toEqual([]);
  });

  test('the full form of a repository is what it is short for', () => {
    const body = blocks.find(({ mark }) => mark !== 'decision')?.body ?? '';
    const long = roleOf({ role: parse(body) as Json });
    const short = roleOf({ role: { principal: 'github:acme/web@main@environment:prod' } });
    const { StringEqual, ...others } = commonCondition(short);
    expect({ StringEqual: { ...short.condition['StringEqual'], ...StringEqual }, ...others }).toEqual(long.condition);
  });
});
