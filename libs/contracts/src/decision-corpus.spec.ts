import {
  compileSnapshot,
  decideExchange,
  decideVouchedSubject,
  evaluatePermission,
  type CountersignDocument,
  type Snapshot,
  type Subject,
} from '@countersign/policy-engine';
import { CORPUS_NOW as now, decisionCorpus, generous, type CorpusCase } from '@countersign/testing';
import { parseDocument } from './documents-judged.fixture';

const publicUrl = 'https://sts.example.com';

function parsed(raw: Record<string, unknown>): CountersignDocument {
  const result = parseDocument(raw);
  if (!result.ok) throw new Error(`${String(raw['kind'])}: ${JSON.stringify(result.errors)}`);
  return result.document;
}

const issuerOf = (documents: readonly CountersignDocument[], { claims }: CorpusCase): string =>
  documents.find((item) => item.kind === 'JwtIssuer' && item.spec.iss === claims['iss'])?.name ?? '(none)';

function decide(snapshot: Snapshot, { kind, request, claims }: CorpusCase, issuer: string): unknown {
  if (kind === 'vouched') {
    const { subject, ...rest } = request as { subject: Subject };
    return decideVouchedSubject(snapshot, { context: {}, sourceIp: null, now, subject, ...rest });
  }
  if (kind === 'permission') {
    const { action = 'Any:Thing', ...rest } = request as { action?: string };
    const subject = { type: 'access_token', id: 'x', properties: {} };
    const about = {
      resource: 'ns:name',
      resourceProperties: {},
      context: {},
      action: { name: action, properties: {} },
    };
    const defaults = { policies: ['probe'], claims, subject, ...about, sourceIp: null, now };
    return evaluatePermission(snapshot, { ...defaults, ...rest });
  }
  const defaults = { issuer, claims, audiences: [], roles: null, policies: null, sourceIp: null, now };
  return decideExchange(snapshot, { ...defaults, ...request });
}

function run(item: CorpusCase): unknown {
  const documents = item.documents.map(parsed);
  const snapshot = compileSnapshot({ documents, publicUrl, revision: 7 });
  expect(snapshot.errors).toEqual([]);
  return decide(snapshot, item, issuerOf(documents, item));
}

test('POL-27: decisions among a thousand roles that all match, with ten statements each, take milliseconds', () => {
  const iss = 'https://ci.example';
  const document = (kind: string, name: string, spec: object) =>
    parsed({ apiVersion: 'countersign.dev/v1', kind, metadata: { name }, spec });
  const names = Array.from({ length: 1_000 }, (_, n) => `n${n}`);
  const statement = Array.from({ length: 10 }, (_, n) => ({
    effect: 'Allow',
    action: `A:B${n}`,
    resource: 'team-${jwt:team}:*',
    condition: { StringLike: { 'jwt:ref': ['refs/heads/*'] } },
  }));
  const condition = { StringEqual: { 'jwt:iss': iss }, StringLike: { 'jwt:sub': 'repo:acme/*' } };
  const documents = [
    document('JwtIssuer', 'ci', { iss, aud: 'x' }),
    ...names.flatMap((name) => [
      document('Policy', name, { statement }),
      document('Role', name, { policy: name, condition }),
    ]),
  ];
  const snapshot = compileSnapshot({ documents, publicUrl, revision: 1 });
  const claims = { iss, sub: 'repo:acme/web', team: 'web', ref: 'refs/heads/main' };
  const none = { file: '', name: '', documents: [], want: {}, claims };
  const about: Pick<CorpusCase, 'kind' | 'request'> = {
    kind: 'permission',
    request: { policies: names, action: 'A:B9', resource: 'team-web:x' },
  };
  const exchange: typeof about = { kind: 'exchange', request: {} };
  const times = [exchange, about].map((asked) =>
    Array.from({ length: 20 }, () => {
      const since = performance.now();
      expect(decide(snapshot, { ...none, ...asked }, 'ci')).toMatchObject({ effect: 'Allow' });
      return performance.now() - since;
    }),
  );
  for (const taken of times) expect(Math.min(...taken)).toBeLessThan(generous(10));
});

describe('the decision corpus decides as written', () => {
  const corpus = decisionCorpus();
  const files = [...new Set(corpus.map(({ file }) => file))];

  describe.each(files)('%s', (name) => {
    const cases = corpus.filter(({ file }) => file === name);
    test.each(cases.map((item) => [item.name, item] as const))('%s', (_, item) => {
      expect(run(item)).toMatchObject(item.want);
    });
  });

  test('it has at least 150 cases, each with its own name', () => {
    const names = corpus.map(({ file, name }) => `${file}: ${name}`);
    expect(names.length).toBeGreaterThanOrEqual(150);
    expect(new Set(names).size).toBe(names.length);
  });
});
