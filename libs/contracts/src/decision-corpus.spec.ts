import {
  compileSnapshot,
  decideExchange,
  decideVouchedSubject,
  evaluatePermission,
  type CountersignDocument,
  type Snapshot,
  type Subject,
} from '@countersign/policy-engine';
import { CORPUS_NOW as now, decisionCorpus, type CorpusCase } from '@countersign/testing';
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
