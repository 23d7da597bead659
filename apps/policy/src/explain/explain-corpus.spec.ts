import { parseDocument, type DocumentChange } from '@countersign/contracts';
import {
  compileSnapshot,
  decideExchange,
  evaluatePermission,
  type CountersignDocument,
  type ExchangeRequest,
} from '@countersign/policy-engine';
import { CORPUS_NOW as now, decisionCorpus, type CorpusCase } from '@countersign/testing';
import { deleteDocuments, lockDocuments, writeDocuments } from '../documents/document-rows';
import { etagOf } from '../documents/etag';
import { insertRevision } from '../documents/revision-rows';
import { PolicyServices, type Answer, type PolicyService } from '../policy-service.fixture';

const publicUrl = 'https://sts.example.com';
const services = new PolicyServices();
let service: PolicyService;

beforeAll(async () => {
  service = await services.start({ environment: { COUNTERSIGN_PUBLIC_URL: publicUrl } });
});

afterAll(() => services.stop());

type Json = Record<string, unknown>;

/** A case that a request can pose, and the documents that it takes. */
interface Question {
  item: CorpusCase;
  documents: Json[];
  body: Json;
}

const SAID = ['audiences', 'roles', 'policies', 'sourceIp', 'now', 'action', 'resource'];
const isTrusted = ({ claims, documents }: CorpusCase): boolean =>
  documents.some(({ kind, spec }) => kind === 'JwtIssuer' && (spec as Json)['iss'] === claims['iss']);

/** The request of an exchange or a permission as a caller of the API words it. */
function bodyOf({ claims, request }: CorpusCase): Json {
  const { audiences, roles, policies, sourceIp, now: time = now } = request as Partial<ExchangeRequest>;
  const scope = [...(roles ?? []).map((name) => `role:${name}`), ...(policies ?? []).map((name) => `policy:${name}`)];
  return {
    claims,
    ...(audiences ? { audience: audiences } : {}),
    ...(scope.length > 0 ? { scope: scope.join(' ') } : {}),
    ...(sourceIp ? { sourceIp } : {}),
    time: new Date(time * 1000).toISOString(),
  };
}

/** A permission is explained of a token, so that an issuer has to be trusted and a role to grant the policies first. */
function permissionQuestion(item: CorpusCase): Question {
  const { policies = ['probe'], action = 'Any:Thing', resource = 'ns:name', ...rest } = item.request;
  const iss = item.claims['iss'];
  const condition = { StringEqual: { 'jwt:iss': iss } };
  const issuer = { kind: 'JwtIssuer', metadata: { name: 'corpus' }, spec: { iss, aud: 'any' } };
  const role = { kind: 'Role', metadata: { name: 'corpus' }, spec: { policy: policies, condition } };
  const added = isTrusted(item) ? [role] : [issuer, role];
  const documents = [...item.documents, ...added.map((one) => ({ apiVersion: 'countersign.dev/v1', ...one }))];
  return { item, documents, body: { ...bodyOf({ ...item, request: rest }), action, resource } };
}

/** A role has to name policies that there are. */
function isGrantable({ request, documents }: CorpusCase): boolean {
  const { policies = ['probe'] } = request as { policies?: string[] };
  const known = documents.filter(({ kind }) => kind === 'Policy').map(({ metadata }) => (metadata as Json)['name']);
  return policies.length > 0 && policies.every((name) => known.includes(name));
}

const posable = decisionCorpus().filter(({ request }) => Object.keys(request).every((member) => SAID.includes(member)));
const exchanges = posable
  .filter((item) => item.kind === 'exchange' && isTrusted(item))
  .map((item): Question => ({ item, documents: item.documents, body: bodyOf(item) }));
const permissions = posable.filter((item) => item.kind === 'permission' && isGrantable(item)).map(permissionQuestion);

const deletion = { action: 'deleted' as const, owner: 'api' as const, before: null, after: null };

/** Stores the documents in place of all others, whatever lint would say of them. */
async function store(documents: Json[]): Promise<void> {
  const rows = documents.map((raw) => {
    const { apiVersion, kind, metadata } = raw as { apiVersion: string; kind: 'Role'; metadata: { name: string } };
    return { kind, name: metadata.name, apiVersion, owner: 'api' as const, raw, etag: etagOf(raw) };
  });
  await service.database.transaction(async (manager) => {
    await lockDocuments(manager);
    const known = await manager.query<Pick<DocumentChange, 'kind' | 'name'>[]>(
      'SELECT kind, name FROM policy.document',
    );
    await deleteDocuments(manager, known);
    const changes = known.map((key) => ({ ...key, ...deletion }));
    const revision = { author: 'test', source: 'api' as const, restoredFrom: null, changes };
    await writeDocuments(manager, rows, await insertRevision(manager, revision));
  });
}

/** Cases with the same documents together, so that few revisions do for all of them. */
async function answersTo(questions: Question[]): Promise<Map<Question, Answer>> {
  const answers = new Map<Question, Answer>();
  const keys = new Set(questions.map(({ documents }) => JSON.stringify(documents)));
  for (const key of keys) {
    await store(JSON.parse(key) as Json[]);
    for (const question of questions.filter(({ documents }) => JSON.stringify(documents) === key)) {
      answers.set(question, await service.call('/v1/explain', { method: 'POST', body: question.body }));
    }
  }
  return answers;
}

function compiled(raw: Json[]) {
  const documents = raw.flatMap((one): CountersignDocument[] => {
    const result = parseDocument(one);
    return result.ok ? [result.document] : [];
  });
  return { documents, snapshot: compileSnapshot({ documents, publicUrl, revision: 1 }) };
}

function decided({ item: { claims, request }, documents: raw }: Question) {
  const { documents, snapshot } = compiled(raw);
  const issuer = documents.find(({ kind, spec }) => kind === 'JwtIssuer' && spec.iss === claims['iss'])?.name ?? '';
  const defaults = { audiences: [], roles: null, policies: null, sourceIp: null, now };
  return decideExchange(snapshot, { issuer, claims, ...defaults, ...request });
}

function permitted({ item: { claims, request }, documents, body }: Question) {
  const { policies = ['probe'], ...rest } = request as { policies?: string[] };
  const about = { resourceProperties: {}, context: {}, subject: { type: 'access_token', id: 'x', properties: {} } };
  return evaluatePermission(compiled(documents).snapshot, {
    ...{ policies, claims, audiences: [publicUrl], sourceIp: null, now, ...about, ...rest },
    action: { name: body['action'] as string, properties: {} },
    resource: body['resource'] as string,
  });
}

test('every exchange of the corpus is explained as it is decided', async () => {
  expect(exchanges.length).toBeGreaterThan(80);
  for (const [question, { status, body }] of await answersTo(exchanges)) {
    const { name } = question.item;
    const { effect, reason, roles } = decided(question);
    expect({ name, status }).toEqual({ name, status: 200 });
    expect({ name, outcome: body.outcome, reason: body.reason }).toEqual({
      name,
      outcome: effect === 'Allow' ? 'granted' : 'denied',
      reason,
    });
    const matched = (body.roles as { name: string; matched: boolean; shadow: boolean }[]).filter(
      (role) => role.matched,
    );
    expect(matched.map((role) => role.name)).toEqual(expect.arrayContaining(roles));
    if (effect === 'Allow') expect(body.nearestMiss).toBeNull();
  }
});

test('every permission of the corpus that a token can ask for is explained as it is decided', async () => {
  expect(permissions.length).toBeGreaterThan(25);
  for (const [question, { status, body }] of await answersTo(permissions)) {
    const { name } = question.item;
    const { effect, determining } = permitted(question);
    expect({ name, status, outcome: body.outcome }).toEqual({ name, status: 200, outcome: 'granted' });
    expect({ name, allowed: body.permission.allowed }).toEqual({ name, allowed: effect === 'Allow' });
    const applying = (body.statements as { policy: string; applies: boolean }[]).filter(({ applies }) => applies);
    for (const { policy, sid, effect: own } of determining) {
      expect(applying).toContainEqual(expect.objectContaining({ policy, sid, effect: own }));
    }
  }
});
