import { PolicyServices, testdata, type Call, type PolicyService } from '../policy-service.fixture';

const services = new PolicyServices();
let service: PolicyService;

beforeAll(async () => {
  service = await services.start({ documents: testdata('authzen.yaml') });
});

afterAll(() => services.stop());

const ONE = '/access/v1/evaluation';
const MANY = '/access/v1/evaluations';
const post = (path: string, body: unknown, call: Call = {}) =>
  service.call(path, { method: 'POST', body: body as object, ...call });

const user = (id: string, properties?: object) => ({ type: 'user', id, ...(properties && { properties }) });
const record = (id: string, status?: string) => ({
  type: 'record',
  id,
  ...(status && { properties: { status } }),
});
const act = (name: string, properties?: object) => ({ name, ...(properties && { properties }) });
const doc = (id: string) => ({ type: 'document', id });

const alice = user('alice');
const bob = user('bob');
const staff = user('alice@example.com');
const time = '1985-10-26T01:22-07:00';
const request = { subject: alice, action: act('read'), resource: record('record-1') };

describe('one evaluation (§6), and the same as an evaluations request without evaluations (§7.1)', () => {
  const account = { type: 'account', id: '123' };
  const book = (isbn: string) => ({ type: 'book', id: '123', properties: { library_record: { isbn } } });
  const get = act('can_read', { method: 'GET' });

  const cases: [string, object, boolean][] = [
    ['alice reads', request, true],
    ['alice writes', { ...request, action: act('write') }, true],
    ['bob reads', { ...request, subject: bob }, true],
    ['bob does not write', { ...request, subject: bob, action: act('write') }, false],
    ['nobody else reads', { ...request, subject: user('eve') }, false],
    ['the id of another type is another subject', { ...request, subject: { type: 'robot', id: 'alice' } }, false],
    ['a context does not disturb', { ...request, context: { time, ip: '192.168.1.1' } }, true],
    ['unknown members are ignored', { ...request, foo: 'bar', futureField: { nested: true } }, true],
    [
      'further properties do not disturb',
      {
        subject: user('alice', { department: 'Sales', role: 'manager' }),
        action: act('read', { method: 'GET' }),
        resource: { ...record('record-1'), properties: { status: 'active', owner: 'bob' } },
      },
      true,
    ],
    [
      'a property of the resource',
      { ...request, action: act('write'), resource: record('record-2', 'archived') },
      false,
    ],
    [
      'a property of the subject',
      { subject: user('bob', { role: 'admin' }), action: act('write'), resource: record('record-2', 'archived') },
      true,
    ],
    ['a property of the action', { ...request, action: act('delete', { soft: true }) }, true],
    ['another value of it', { ...request, action: act('delete', { soft: false }) }, false],
    ['a text where a boolean is asked for', { ...request, action: act('delete', { soft: 'true' }) }, false],
    ['a property left out', { ...request, action: act('delete') }, false],
    ['a value of the context', { subject: staff, action: get, resource: account, context: { time } }, true],
    ['a context left out', { subject: staff, action: get, resource: account }, false],
    [
      'a property within a property',
      { subject: user('alice@example.com', { department: 'Sales' }), action: get, resource: book('978-0593383322') },
      true,
    ],
    [
      'another value within a property',
      { subject: user('alice@example.com', { department: 'Sales' }), action: get, resource: book('978-0000000000') },
      false,
    ],
  ];

  it.each(cases)('%s', async (_, body, decision) => {
    for (const [path, more] of [
      [ONE, {}],
      [MANY, {}],
      [MANY, { evaluations: [] }],
    ] as const) {
      const answer = await post(path, { ...body, ...more });
      expect({ status: answer.status, body: answer.body as unknown }).toEqual({ status: 200, body: { decision } });
      expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    }
  });

  it('decides the same again and again', async () => {
    const answers = [await post(ONE, request), await post(ONE, request), await post(ONE, request)];
    expect(answers.map(({ body }) => body as unknown)).toEqual(Array(3).fill({ decision: true }));
  });
});

describe('several evaluations (§7)', () => {
  const context = { time: '2024-05-31T15:22-07:00' };
  const boxcar = ['boxcarring.md', 'subject-search.md', 'resource-search.md'].map((id) => ({ resource: doc(id) }));
  const readAll = {
    subject: staff,
    action: act('read'),
    evaluations: ['1', '2', '3'].map((id) => ({ resource: doc(id) })),
  };
  const semantics = (name: string) => ({ ...readAll, options: { evaluations_semantic: name } });

  it.each<[string, object, boolean[]]>([
    [
      'without defaults',
      { evaluations: boxcar.map((one) => ({ subject: staff, action: act('can_read'), context, ...one })) },
      [true, true, false],
    ],
    [
      'with a default subject and context',
      { subject: staff, context, evaluations: boxcar.map((one) => ({ action: act('can_read'), ...one })) },
      [true, true, false],
    ],
    [
      'with a default action that one item overrides',
      {
        ...{ subject: staff, context, action: act('can_read') },
        evaluations: boxcar.map((one, at) => (at === 1 ? { ...one, action: act('can_edit') } : one)),
      },
      [true, false, false],
    ],
    ['execute_all by default', readAll, [true, false, true]],
    ['execute_all, with an option nobody knows', semantics('execute_all'), [true, false, true]],
    ['another option alone', { ...readAll, options: { another_option: 'value' } }, [true, false, true]],
    ['deny_on_first_deny', semantics('deny_on_first_deny'), [true, false]],
    ['permit_on_first_permit', semantics('permit_on_first_permit'), [true]],
    [
      'permit_on_first_permit past denials',
      {
        ...semantics('permit_on_first_permit'),
        evaluations: ['2', '2', '3', '1'].map((id) => ({ resource: doc(id) })),
      },
      [false, false, true],
    ],
    [
      'a default resource for several actions, in order',
      { subject: bob, resource: record('record-1'), evaluations: [{ action: act('read') }, { action: act('write') }] },
      [true, false],
    ],
    [
      'a default resource with properties for several subjects',
      {
        ...{ action: act('write'), resource: record('record-2', 'archived') },
        evaluations: [{ subject: alice }, { subject: user('bob', { role: 'admin' }) }],
      },
      [false, true],
    ],
    [
      'properties of a default do not reach an item with a resource of its own',
      {
        ...request,
        action: act('write'),
        resource: record('x', 'archived'),
        evaluations: [{}, { resource: record('x') }],
      },
      [false, true],
    ],
    [
      'a context of an item replaces the default one',
      {
        ...{ subject: staff, action: act('can_read', { method: 'GET' }), resource: { type: 'account', id: '123' } },
        ...{ context: { time }, evaluations: [{}, { context: {} }] },
      },
      [true, false],
    ],
  ])('%s', async (_, body, decisions) => {
    const answer = await post(MANY, body);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ evaluations: decisions.map((decision) => ({ decision })) });
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
  });

  it.each<[string, object, string]>([
    ['nothing at all', {}, '/resource'],
    ['a resource without a type', { resource: { id: '1' } }, '/resource/type'],
    ['a resource that is a text', { resource: 'document:1' }, '/resource'],
    ['a type with a colon', { resource: { type: 'a:b', id: '1' } }, '/resource/type'],
    ['null instead of the default', { resource: doc('1'), subject: null }, '/subject'],
    ['properties that are a list', { resource: { ...doc('1'), properties: [] } }, '/resource/properties'],
  ])('an item with %s is denied and says why, the others are decided', async (_, item, path) => {
    const questions = {
      subject: staff,
      action: act('read'),
      evaluations: [{ resource: doc('1') }, item, { resource: doc('3') }],
    };
    const { status, body } = await post(MANY, questions);
    expect(status).toBe(200);
    const error = { status: 400, message: expect.stringContaining(`${path}: `) as string };
    expect(body).toEqual({
      evaluations: [{ decision: true }, { decision: false, context: { error } }, { decision: true }],
    });
    const first = { ...questions, options: { evaluations_semantic: 'deny_on_first_deny' } };
    expect((await post(MANY, first)).body.evaluations).toHaveLength(2);
  });

  it.each<[string, unknown]>([
    ['evaluations that are no list', { ...readAll, evaluations: {} }],
    ['evaluations that are null', { ...readAll, evaluations: null }],
    ['items that are no objects', { ...readAll, evaluations: [7] }],
    ['unknown semantics', semantics('majority')],
    ['options that are a list', { ...readAll, options: [] }],
    ['no evaluations and no resource', { subject: alice, action: act('read') }],
    ['empty evaluations and no resource', { subject: alice, action: act('read'), evaluations: [] }],
    ['a list', [readAll]],
  ])('answers 400 to %s', async (_, body) => {
    const answer = await post(MANY, body);
    expect(answer).toMatchObject({ status: 400, body: { status: 400, traceId: expect.any(String) as string } });
  });
});

describe('errors of the whole request (§10.1)', () => {
  const without = (member: keyof typeof request) => ({ ...request, [member]: undefined });

  it.each<[string, unknown]>([
    ['no subject', without('subject')],
    ['no action', without('action')],
    ['no resource', without('resource')],
    ['a subject without a type', { ...request, subject: { id: 'alice' } }],
    ['a subject without an id', { ...request, subject: { type: 'user' } }],
    ['an action without a name', { ...request, action: {} }],
    ['a resource without a type', { ...request, resource: { id: 'record-1' } }],
    ['a resource without an id', { ...request, resource: { type: 'record' } }],
    ['a subject that is a text', { ...request, subject: 'alice' }],
    ['a name that is a number', { ...request, action: { name: 123 } }],
    ['a context that is a text', { ...request, context: 'now' }],
    ['properties that are null', { ...request, subject: { ...alice, properties: null } }],
  ])('400: %s', async (_, body) => {
    for (const path of [ONE, MANY]) {
      const answer = await post(path, body);
      expect(answer).toMatchObject({ status: 400, body: { status: 400, title: 'Malformed request' } });
      expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    }
  });

  const good = JSON.stringify(request);
  it.each<[string, number, Call]>([
    ['JSON with parameters of its type', 200, { body: good, type: 'application/json; charset=utf-8' }],
    ['JSON that cannot be parsed', 400, { body: '{"subject":', type: 'application/json' }],
    ['a member twice', 400, { body: good.replace('{', '{"action":{"name":"x"},'), type: 'application/json' }],
    ['an empty body', 400, { body: '', type: 'application/json' }],
    ['no credentials', 401, { body: good, type: 'application/json', token: null }],
    ['credentials that are none', 401, { body: good, type: 'application/json', token: 'x' }],
    ['1 MB and more', 413, { body: good + ' '.repeat(1024 * 1024), type: 'application/json' }],
    ['plain text', 415, { body: good, type: 'text/plain' }],
    ['YAML, which other endpoints take', 415, { body: good, type: 'application/yaml' }],
    ['a form', 415, { body: 'subject=alice', type: 'application/x-www-form-urlencoded' }],
    ['XML', 415, { body: '<a/>', type: 'application/xml' }],
  ])('%s: %i', async (_, status, call) => {
    for (const path of [ONE, MANY]) {
      const answer = await service.call(path, { method: 'POST', ...call });
      expect({ path, status: answer.status }).toEqual({ path, status });
      expect(answer.headers.get('content-type')).toMatch(
        status === 200 ? 'application/json' : 'application/problem+json',
      );
      if (status === 401) expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    }
  });
});

describe('X-Request-ID (§10.1.4)', () => {
  const id = 'bfe9eb29-ab87-4ca3-be83-a1d5d8305716';

  it.each<[string, string, object]>([
    ['a decision', ONE, request],
    ['several', MANY, { ...request, evaluations: [{}] }],
    ['a refusal', ONE, {}],
  ])('comes back with %s', async (_, path, body) => {
    const { headers } = await post(path, body, { headers: { 'X-Request-ID': id } });
    expect(headers.get('x-request-id')).toBe(id);
    expect((await post(path, body)).headers.get('x-request-id')).toMatch(/./);
  });
});

describe('metadata (§9)', () => {
  it('is JSON that anybody may read and keep for a while, and names no endpoint that does not exist', async () => {
    const { status, headers, body } = await service.call('/.well-known/authzen-configuration', { token: null });
    expect({ status, cache: headers.get('cache-control') }).toEqual({ status: 200, cache: 'public, max-age=3600' });
    expect(headers.get('content-type')).toMatch(/^application\/json/);
    const { policy_decision_point: us, ...endpoints } = body as Record<string, string>;
    expect(us).toMatch(/^https:\/\/[^?#]+$/);
    expect(Object.keys(endpoints).sort()).toEqual(['access_evaluation_endpoint', 'access_evaluations_endpoint']);
    for (const url of Object.values(endpoints)) {
      const answer = await post(url.replace(us ?? '', ''), request);
      expect(answer.body).toEqual({ decision: true });
    }
  });
});
