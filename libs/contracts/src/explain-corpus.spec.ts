import {
  compileSnapshot,
  decideExchange,
  editNormalised,
  evaluatePermission,
  explainExchange,
  explainPermission,
  findNearestMiss,
  type CountersignDocument,
  type ExchangeRequest,
  type PermissionRequest,
  type RoleDocument,
  type Snapshot,
} from '@countersign/policy-engine';
import { CORPUS_NOW as now, decisionCorpus, type CorpusCase } from '@countersign/testing';
import { parseDocument } from './documents-judged.fixture';

const publicUrl = 'https://sts.example.com';

interface Prepared {
  name: string;
  item: CorpusCase;
  documents: CountersignDocument[];
  snapshot: Snapshot;
}

function prepare(item: CorpusCase): Prepared {
  const documents = item.documents.map((raw) => {
    const result = parseDocument(raw);
    if (!result.ok) throw new Error(JSON.stringify(result.errors));
    return result.document;
  });
  const snapshot = compileSnapshot({ documents, publicUrl, revision: 7 });
  return { name: `${item.file}: ${item.name}`, item, documents, snapshot };
}

const corpus = decisionCorpus().map(prepare);
const casesOf = (kind: CorpusCase['kind']): Prepared[] => corpus.filter(({ item }) => item.kind === kind);

function exchangeOf({ item: { claims, request }, documents }: Prepared): ExchangeRequest {
  const issuer = documents.find(({ kind, spec }) => kind === 'JwtIssuer' && spec.iss === claims['iss'])?.name;
  const defaults = { audiences: [], roles: null, policies: null, sourceIp: null, now };
  return { issuer: issuer ?? '(none)', claims, ...defaults, ...request };
}

function permissionOf({ item: { claims, request } }: Prepared): PermissionRequest {
  const { action = 'Any:Thing', ...rest } = request as { action?: string };
  const subject = { type: 'access_token', id: 'x', properties: {} };
  const about = { resource: 'ns:name', resourceProperties: {}, context: {}, action: { name: action, properties: {} } };
  return { policies: ['probe'], claims, subject, ...about, sourceIp: null, now, ...rest };
}

const rolesOf = (documents: readonly CountersignDocument[]): Map<string, RoleDocument> =>
  new Map(documents.flatMap((document) => (document.kind === 'Role' ? [[document.name, document]] : [])));

describe('an explained exchange is the exchange decided', () => {
  test.each(casesOf('exchange').map((one) => [one.name, one] as const))('%s', (_, prepared) => {
    const { snapshot } = prepared;
    const request = exchangeOf(prepared);
    const decision = decideExchange(snapshot, request);
    const { outcome, stage, reason, decision: explained, roles, rolesLeftOut } = explainExchange(snapshot, request);
    expect(explained).toEqual(decision);
    expect({ outcome, reason }).toEqual({
      outcome: decision.effect === 'Allow' ? 'granted' : 'denied',
      reason: decision.reason,
    });
    expect(stage === 'granted').toBe(decision.effect === 'Allow');
    expect(rolesLeftOut).toBe(0);
    const matched = roles.filter((role) => role.matched);
    const names = (shadow: boolean) => matched.filter((role) => role.shadow === shadow).map(({ name }) => name);
    expect(names(true).sort()).toEqual(decision.shadowRoles);
    // What a scope or permissions ask for together is no matter of a single role.
    const isOfRoles = !['scope_not_allowed', 'details_not_allowed'].includes(decision.reason ?? '');
    if (isOfRoles) expect(names(false).sort()).toEqual(decision.roles);
  });
});

describe('an explained permission is the permission decided', () => {
  test.each(casesOf('permission').map((one) => [one.name, one] as const))('%s', (_, prepared) => {
    const request = permissionOf(prepared);
    const decision = evaluatePermission(prepared.snapshot, request);
    const { decision: explained, statements } = explainPermission(prepared.snapshot, request);
    expect(explained).toEqual(decision);
    for (const { applies, checks } of statements) expect(checks.every(({ matched }) => matched)).toBe(applies);
    const applying = statements.filter(({ applies }) => applies);
    const deciding = applying.some(({ effect }) => effect === 'Deny') ? 'Deny' : 'Allow';
    const known = applying.filter(({ effect }) => effect === deciding).map(({ policy, sid }) => ({ policy, sid }));
    const determining = decision.determining.map(({ policy, sid }) => ({ policy, sid }));
    // A role that does not trust the address keeps its Allow statements to itself.
    expect(known).toEqual(expect.arrayContaining(determining));
  });
});

describe('the edit of the nearest miss', () => {
  const refused = casesOf('exchange')
    .map((prepared) => ({ ...prepared, request: exchangeOf(prepared) }))
    .filter(({ snapshot, request }) => decideExchange(snapshot, request).effect === 'Deny')
    .map((prepared) => {
      const documents = rolesOf(prepared.documents);
      const explanation = explainExchange(prepared.snapshot, prepared.request);
      const miss = findNearestMiss(prepared.snapshot, prepared.request, { explanation, documents });
      return { ...prepared, miss, explanation };
    });
  const mended = refused.flatMap((one) =>
    one.miss?.edit ? [{ ...one, role: one.miss.role, edit: one.miss.edit }] : [],
  );

  test.each(mended.map((one) => [one.name, one] as const))('grants in %s', (_, { documents, request, role, edit }) => {
    const edited = documents.map((document) =>
      document.kind === 'Role' && document.name === role ? (editNormalised(document, edit) as RoleDocument) : document,
    );
    const snapshot = compileSnapshot({ documents: edited, publicUrl, revision: 8 });
    expect(snapshot.errors).toEqual([]);
    expect(decideExchange(snapshot, request).roles).toContain(role);
  });

  test.each(mended.map((one) => [one.name, one] as const))('is exact in %s', (_, { edit }) => {
    expect(JSON.stringify(edit.value ?? '')).not.toMatch(/[*?]/);
  });

  test('exists for most refusals that a single role is to blame for', () => {
    const single = refused.filter(({ miss }) => miss?.failedChecks === 1);
    expect(single.length).toBeGreaterThan(20);
    expect(mended.length).toBeGreaterThan(single.length / 3);
  });
});
