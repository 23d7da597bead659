import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  compileSnapshot,
  decideExchange,
  evaluatePermission,
  lintDocuments,
  lintRules,
  type CountersignDocument,
  type LintFinding,
} from '@countersign/policy-engine';
import { loadClaims } from '@countersign/testing';
import { parse } from 'yaml';
import { ADMIN_ACTIONS } from './access';
import { parseDocument } from './documents-judged.fixture';

type Claims = Record<string, unknown>;
interface Short {
  kind: string;
  name?: string;
  spec: unknown;
}
interface Case {
  name: string;
  rule: string;
  severity: string;
  path: string;
  finding?: Partial<LintFinding>;
  with?: Short[];
  bad: Short;
  good: Short;
  claims?: string;
  set?: Claims;
  action?: string;
  resource?: string;
}

const folder = join(__dirname, '../../policy-engine/testdata/lint');
const now = 1_760_000_100;

const files = readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => {
    const text = readFileSync(join(folder, name), 'utf8');
    return { name, ...(parse(text, { merge: true }) as { documents: Short[]; cases: Case[] }) };
  });
const cases = files.flatMap(({ name, documents, cases: own }) =>
  own.map((item) => [`${item.rule} ${name}: ${item.name}`, item, [...documents, ...(item.with ?? [])]] as const),
);

function read({ kind, name = 'probe', spec }: Short): CountersignDocument {
  const result = parseDocument({ apiVersion: 'countersign.dev/v1', kind, metadata: { name }, spec });
  if (!result.ok) throw new Error(`${kind}/${name}: ${JSON.stringify(result.errors)}`);
  return result.document;
}

function setOf(documents: readonly Short[], probe: Short) {
  const document = read(probe);
  const all = [...documents.map(read), document];
  return { document, all, findings: lintDocuments(all, { only: new Set([document]), adminActions: ADMIN_ACTIONS }) };
}

/** `a=b, c=d`, or a subject. Values that YAML reads as something else than text are that. */
const claimsOf = (admitted: string): Claims =>
  /^[\w./-]+=/.test(admitted)
    ? Object.fromEntries(
        admitted.split(', ').map((pair) => {
          const at = pair.indexOf('=');
          const value = pair.slice(at + 1);
          return [pair.slice(0, at), value === 'true' ? true : value];
        }),
      )
    : { sub: admitted };

function exchange(documents: CountersignDocument[], claims: Claims): string {
  const snapshot = compileSnapshot({ documents, publicUrl: 'https://sts.example', revision: 1 });
  expect(snapshot.errors).toEqual([]);
  const issuer =
    documents.find((item) => item.kind === 'JwtIssuer' && item.spec.iss === claims['iss'])?.name ?? '(none)';
  const request = { issuer, claims, audiences: [], roles: null, policies: null, sourceIp: null, now };
  return decideExchange(snapshot, request).effect;
}

function permission(documents: CountersignDocument[], action: string, resource: string): string {
  const snapshot = compileSnapshot({ documents, publicUrl: 'https://sts.example', revision: 1 });
  return evaluatePermission(snapshot, {
    policies: ['probe'],
    claims: {},
    subject: { type: 'access_token', id: 'x', properties: {} },
    action: { name: action, properties: {} },
    resource,
    resourceProperties: {},
    context: {},
    sourceIp: null,
    now,
  }).effect;
}

describe.each(cases)('%s', (_, item, documents) => {
  const bad = setOf(documents, item.bad);
  const good = setOf(documents, item.good);
  const found = bad.findings.find(({ rule, path }) => rule === item.rule && path === item.path);

  test('the bad document has the finding, and the good one has it not', () => {
    expect(found ?? bad.findings).toMatchObject({ severity: item.severity, ...item.finding });
    expect(found?.message).toMatch(/\S/);
    expect(found?.fix).toMatch(/\S/);
    expect(found?.resource).toEqual({ kind: item.bad.kind, name: item.bad.name ?? 'probe' });
    expect(good.findings.filter(({ rule }) => rule === item.rule)).toEqual([]);
  });

  if (item.claims !== undefined) {
    test('the bad document lets in what the finding says, and the good one does not', () => {
      expect(found?.admits.length).toBeGreaterThan(0);
      for (const admitted of found?.admits ?? []) {
        const claims = { ...loadClaims(`${item.claims}.json`), ...item.set, ...claimsOf(admitted) };
        expect({ admitted, effect: exchange(bad.all, claims) }).toEqual({ admitted, effect: 'Allow' });
        expect({ admitted, effect: exchange(good.all, claims) }).toEqual({ admitted, effect: 'Deny' });
      }
    });
  }

  if (item.action !== undefined || item.resource !== undefined) {
    test('the bad document allows what the finding says, and the good one does not', () => {
      expect(found?.admits.length).toBeGreaterThan(0);
      for (const admitted of found?.admits ?? []) {
        const asked = [item.action ?? admitted, item.resource ?? admitted] as const;
        expect([permission(bad.all, ...asked), permission(good.all, ...asked)]).toEqual(['Allow', 'Deny']);
      }
    });
  }
});

describe('the corpus is whole', () => {
  const inCorpus = new Set(cases.map(([, item]) => item.rule));

  test('every rule has a bad and a good document', () => {
    expect([...inCorpus].sort()).toEqual(lintRules.map(({ id }) => id));
  });

  test('ids are given once', () => {
    expect(new Set(lintRules.map(({ id }) => id)).size).toBe(lintRules.length);
  });

  /** Said of addresses and of values as they are written. */
  const notIdentities = ['CS050'];

  test('what a rule about identities says it admits is tried out', () => {
    const silent = cases.filter(([, item, documents]) => {
      const { findings } = setOf(documents, item.bad);
      const admits = findings.filter(({ rule }) => rule === item.rule).flatMap((finding) => finding.admits);
      return item.bad.kind === 'Role' && admits.length > 0 && item.claims === undefined;
    });
    expect([...new Set(silent.map(([, { rule }]) => rule))]).toEqual(notIdentities);
  });

  test('the gravest finding of a rule is of the severity that the list of rules says', () => {
    const order = ['info', 'warning', 'error'];
    const gravest = (id: string): string =>
      cases
        .filter(([, { rule }]) => rule === id)
        .map(([, { severity }]) => severity)
        .sort((one, other) => order.indexOf(other) - order.indexOf(one))[0] ?? '';
    expect(lintRules.map(({ id }) => [id, gravest(id)])).toEqual(lintRules.map(({ id, severity }) => [id, severity]));
  });
});
