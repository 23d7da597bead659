import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  compileSnapshot,
  decideExchange,
  decideVouchedSubject,
  evaluatePermission,
  type CountersignDocument,
  type Snapshot,
  type Subject,
} from '@countersign/policy-engine';
import { parse } from 'yaml';
import { parseDocument } from './documents';

const corpus = join(__dirname, '../../policy-engine/testdata');
const recorded = join(__dirname, '../../testing/claims');
const publicUrl = 'https://sts.example.com';
const now = 1_760_000_000;

type Json = Record<string, unknown>;
interface Case {
  name: string;
  documents?: Json[];
  claims?: string | Json;
  set?: Json;
  unset?: string[];
  condition?: Record<string, Json>;
  statement?: Json[];
  exchange?: Json & { issuer?: string };
  permission?: Json & { action?: string };
  vouched?: { subject: Subject };
  want: Json;
}
type CorpusFile = Omit<Case, 'name' | 'want'> & { cases: Case[] };

const files = readdirSync(corpus).filter((name) => name.endsWith('.yaml'));
const read = (name: string): CorpusFile =>
  parse(readFileSync(join(corpus, name), 'utf8'), { merge: true }) as CorpusFile;

function claimsOf({ claims, set, unset }: Case): Json {
  const base =
    typeof claims === 'string' ? readFileSync(join(recorded, `${claims}.json`), 'utf8') : JSON.stringify(claims);
  const changed = { ...(JSON.parse(base) as Json), ...set };
  return Object.fromEntries(Object.entries(changed).filter(([name]) => !unset?.includes(name)));
}

const document = (kind: string, spec: Json): Json => ({
  apiVersion: 'countersign.dev/v1',
  kind,
  metadata: { name: 'probe' },
  spec,
});

function probes({ condition, statement }: Case, claims: Json): Json[] {
  const everything = { effect: 'Allow', action: '*', resource: '*' };
  const statements = (statement ?? [{}]).map((given) => ({ ...everything, ...given }));
  const policy = document('Policy', { statement: statements });
  if (!condition) return statement ? [policy] : [];
  const pinned = { ...condition, StringEqual: { 'jwt:iss': claims['iss'], ...condition['StringEqual'] } };
  return [policy, document('Role', { policy: 'probe', condition: pinned })];
}

function parsed(raw: Json): CountersignDocument {
  const result = parseDocument(raw);
  if (!result.ok) throw new Error(`${String(raw['kind'])}: ${JSON.stringify(result.errors)}`);
  return result.document;
}

const issuerOf = (documents: readonly CountersignDocument[], claims: Json): string =>
  documents.find((item) => item.kind === 'JwtIssuer' && item.spec.iss === claims['iss'])?.name ?? '(none)';

function decide(snapshot: Snapshot, test: Case, claims: Json, issuer: string): unknown {
  const subject = { type: 'access_token', id: 'x', properties: {} };
  if (test.vouched) return decideVouchedSubject(snapshot, { context: {}, sourceIp: null, now, ...test.vouched });
  if (test.permission) {
    const { action = 'Any:Thing', ...rest } = test.permission;
    const defaults = { policies: ['probe'], claims, subject, resource: 'ns:name', resourceProperties: {}, context: {} };
    return evaluatePermission(snapshot, {
      ...defaults,
      sourceIp: null,
      now,
      ...rest,
      action: { name: action, properties: {} },
    });
  }
  const defaults = { issuer, claims, audiences: [], roles: null, policies: null, sourceIp: null, now };
  return decideExchange(snapshot, { ...defaults, ...test.exchange });
}

function run(file: CorpusFile, test: Case): unknown {
  const { cases: _, documents = [], permission, exchange, ...shared } = file;
  const requests = test.statement || test.permission ? { permission: { ...permission, ...test.permission } } : {};
  const whole: Case = {
    ...shared,
    ...(permission ? { permission } : {}),
    ...(exchange ? { exchange } : {}),
    ...test,
    ...requests,
  };
  const claims = claimsOf(whole);
  const all = [...documents, ...(test.documents ?? []), ...probes(whole, claims)].map(parsed);
  // A document of the case takes the place of the file's document of the same name.
  const byName = new Map(all.map((item) => [`${item.kind}/${item.name}`, item]));
  const snapshot = compileSnapshot({ documents: [...byName.values()], publicUrl, revision: 7 });
  expect(snapshot.errors).toEqual([]);
  return decide(snapshot, whole, claims, issuerOf(all, claims));
}

describe('the decision corpus decides as written', () => {
  describe.each(files)('%s', (name) => {
    const file = read(name);
    test.each(file.cases.map((item) => [item.name, item] as const))('%s', (_, item) => {
      expect(run(file, item)).toMatchObject(item.want);
    });
  });

  test('it has at least 60 cases, each with its own name', () => {
    const names = files.flatMap((name) => read(name).cases.map((item) => `${name}: ${item.name}`));
    expect(names.length).toBeGreaterThanOrEqual(60);
    expect(new Set(names).size).toBe(names.length);
  });
});
