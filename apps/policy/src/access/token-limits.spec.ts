import { authorizeAdmin } from '@countersign/contracts';
import { PolicyServices, anotherBus, testdata, type PolicyService } from '../policy-service.fixture';

const services = new PolicyServices();
let service: PolicyService;

const LIMITED = `
apiVersion: countersign.dev/v1
kind: Policy
metadata: { name: deploy }
spec:
  statement: [{ sid: deploy, effect: Allow, action: [Function:Deploy], resource: ['function:*'] }]
---
apiVersion: countersign.dev/v1
kind: Policy
metadata: { name: invoke }
spec:
  statement: [{ sid: invoke, effect: Allow, action: [Function:Invoke], resource: ['function:*'] }]
---
apiVersion: countersign.dev/v1
kind: Role
metadata: { name: once }
spec: { policy: [deploy, invoke], maxUses: 1, condition: { StringEqual: { 'jwt:iss': ['https://issuer.test'] } } }
---
apiVersion: countersign.dev/v1
kind: Role
metadata: { name: twice }
spec: { policy: [deploy], maxUses: 2, condition: { StringEqual: { 'jwt:iss': ['https://issuer.test'] } } }
---
apiVersion: countersign.dev/v1
kind: Role
metadata: { name: asleep }
spec:
  policy: [deploy]
  disabled: true
  maxUses: 1
  trustedIps: [203.0.113.0/24]
  condition: { StringEqual: { 'jwt:iss': ['https://issuer.test'] } }
---
apiVersion: countersign.dev/v1
kind: Role
metadata: { name: invokers }
spec: { policy: [invoke], condition: { StringEqual: { 'jwt:iss': ['https://issuer.test'] } } }
---
apiVersion: countersign.dev/v1
kind: Role
metadata: { name: office }
spec:
  policy: [deploy, viewer]
  trustedIps: [203.0.113.0/24]
  condition: { StringEqual: { 'jwt:iss': ['https://issuer.test'] } }
`;

beforeAll(async () => {
  service = await services.start({ documents: testdata('access.yaml') });
  expect(await service.apply(LIMITED)).toMatchObject({ status: 200 });
});

afterAll(() => services.stop());

interface Question {
  roles: string[];
  policy?: string[];
  action?: string;
  context?: Record<string, unknown>;
  jti?: string;
  grantedAt?: number;
}

let tokens = 0;
const newJti = () => `limited-${++tokens}`;

async function decides({
  roles,
  policy = ['deploy', 'invoke'],
  action = 'Function:Deploy',
  context,
  jti,
  grantedAt,
}: Question) {
  const granted = grantedAt === undefined ? {} : { policy_revision: grantedAt };
  const token = await service.token({ roles, policy, jti: jti ?? newJti(), ...granted });
  const question = {
    subject: { type: 'access_token', id: token },
    action: { name: action },
    resource: { type: 'function', id: 'web' },
    ...(context === undefined ? {} : { context }),
  };
  const { status, body } = await service.call('/access/v1/evaluation', { method: 'POST', body: question });
  return status === 200 ? (body.decision as boolean) : status;
}

const lastReason = async () =>
  (await service.events()).filter(({ type }) => type === 'dev.countersign.decision.denied.v1').at(-1)?.data['reason'];

describe('a revoked token', () => {
  it('is denied whatever its policies allow, and the trail says why and which', async () => {
    const jti = newJti();
    expect(await decides({ roles: ['invokers'], jti })).toBe(true);
    service.exchange.revoked.add(jti);
    expect(await decides({ roles: ['invokers'], jti })).toBe(false);
    const denial = (await service.events()).at(-1);
    expect(denial?.data).toMatchObject({ reason: 'token_revoked', token: { jti } });
  });

  it('opens no admin call: 401, for what is not revoked goes on', async () => {
    const jti = newJti();
    const token = await service.token({ policy: ['viewer'], jti });
    expect((await service.call('/v1/resources', { token })).status).toBe(200);
    service.exchange.revoked.add(jti);
    const { status, headers } = await service.call('/v1/resources', { token });
    expect({ status, challenge: headers.get('www-authenticate') }).toEqual({
      status: 401,
      challenge: 'Bearer error="invalid_token"',
    });
  });

  it('cannot pass while nobody can tell that it is revoked: 503, at the decision and at the guard', async () => {
    const token = await service.token({ policy: ['viewer'] });
    service.exchange.answers = false;
    const decision = await decides({ roles: ['invokers'] });
    const guarded = await service.call('/v1/resources', { token });
    service.exchange.answers = true;
    expect([decision, guarded.status]).toEqual([503, 503]);
  });
});

describe('maxUses', () => {
  const uses = async (times: number, question: Question) => {
    const jti = newJti();
    const decisions = [];
    for (let use = 0; use < times; use++) decisions.push(await decides({ ...question, jti }));
    return { decisions, counted: service.exchange.uses.get(jti) ?? 0 };
  };

  it.each([
    ['a role limits its tokens to its uses', ['once'], 'Function:Deploy', [true, false, false]],
    ['of two roles with a policy the more generous counts', ['once', 'twice'], 'Function:Deploy', [true, true, false]],
    ['what a role without limit allows is not limited', ['once', 'invokers'], 'Function:Invoke', [true, true, true]],
    ['a role that is disabled limits its tokens still', ['asleep'], 'Function:Deploy', [true, false, false]],
    ['a role that is gone limits nothing any more', ['gone'], 'Function:Deploy', [true, true, true]],
  ])('%s', async (_, roles, action, decisions) => {
    expect((await uses(3, { roles, action })).decisions).toEqual(decisions);
  });

  it('counts only what would be allowed, and only where the limit matters', async () => {
    expect(await uses(2, { roles: ['once'], action: 'Function:Delete' })).toEqual({
      decisions: [false, false],
      counted: 0,
    });
    expect((await uses(2, { roles: ['once', 'invokers'], action: 'Function:Invoke' })).counted).toBe(0);
    await decides({ roles: ['once'], jti: 'spent' });
    expect(await decides({ roles: ['once'], jti: 'spent' })).toBe(false);
    expect(await lastReason()).toBe('token_used_up');
  });

  it('counts each token for itself', async () => {
    expect([await decides({ roles: ['once'] }), await decides({ roles: ['once'] })]).toEqual([true, true]);
  });
});

describe('POL-36: a policy that is deleted and made again', () => {
  const passing = (...statements: object[]): object => ({
    apiVersion: 'countersign.dev/v1',
    kind: 'Policy',
    metadata: { name: 'passing' },
    spec: { statement: statements },
  });
  const allow = { effect: 'Allow', action: ['Iam:Read', 'Function:Deploy'], resource: ['*'] };
  const deny = { effect: 'Deny', action: ['Function:Invoke'], resource: ['*'] };
  /** Resolves with the revision of the change. */
  const put = async (...statements: object[]): Promise<number> => {
    await service.call('/v1/resources/Policy/passing', { method: 'PUT', body: passing(...statements) });
    return (await service.call('/v1/revisions')).body.items[0].revision as number;
  };
  const remove = () => service.call('/v1/resources/Policy/passing', { method: 'DELETE' });
  const deploys = (grantedAt: number) => decides({ roles: [], policy: ['passing'], grantedAt });

  afterEach(remove);

  it('allows the tokens of the one before nothing, and its own what it says', async () => {
    const before = await put(allow);
    expect(await deploys(before)).toBe(true);
    await remove();
    expect(await deploys(before)).toBe(false);
    const after = await put(allow);
    expect([await deploys(before), await deploys(after)]).toEqual([false, true]);
    expect(await lastReason()).toBe('no_matching_statement');
  });

  it('opens no admin call to them', async () => {
    const reads = async (grantedAt: number): Promise<number> => {
      const token = await service.token({ policy: ['passing'], jti: newJti(), policy_revision: grantedAt });
      return (await service.call('/v1/resources', { token })).status;
    };
    const before = await put(allow);
    expect(await reads(before)).toBe(200);
    await remove();
    const after = await put(allow);
    expect([await reads(before), await reads(after)]).toEqual([403, 200]);
  });

  it('denies them what it denies', async () => {
    const before = await put(allow);
    await remove();
    await put(deny);
    const question = { roles: [], action: 'Function:Invoke', grantedAt: before };
    expect(await decides({ ...question, policy: ['invoke'] })).toBe(true);
    expect(await decides({ ...question, policy: ['invoke', 'passing'] })).toBe(false);
  });

  it('is not the same as a policy that is changed, which acts on tokens at once', async () => {
    const before = await put({ ...allow, action: ['Function:List'] });
    expect(await deploys(before)).toBe(false);
    await put(allow);
    expect(await deploys(before)).toBe(true);
  });

  it('is another one on a replica that has just started, too', async () => {
    const before = await put(allow);
    await remove();
    const after = await put(allow);
    const replica = await services.startOn(service.databaseUrl, anotherBus());
    const reads = (grantedAt: number) =>
      replica.bus.request(authorizeAdmin, {
        ...{ policies: ['passing'], grantedAt, claims: {}, action: 'Iam:Read' },
        ...{ resource: 'countersign:*', sourceIp: null },
      });
    expect([await reads(before), await reads(after)]).toEqual([{ allowed: false }, { allowed: true }]);
  });
});

describe('trustedIps', () => {
  it.each([
    ['an address within', { sourceIp: '203.0.113.9' }, true],
    ['an address outside', { sourceIp: '198.51.100.9' }, false],
    ['an IPv6 address', { sourceIp: '2001:db8::1' }, false],
    ['something that is no address', { sourceIp: '203.0.113.9:443' }, false],
    ['an empty address', { sourceIp: '' }, false],
    ['a list', { sourceIp: ['203.0.113.9'] }, false],
    ['nothing: the enforcement point leaves the address out', undefined, true],
    ['null, which is nothing', { sourceIp: null }, true],
  ])('limit from where a token is used: %s', async (_, context, decision) => {
    const question = { roles: ['office'], policy: ['deploy'], ...(context === undefined ? {} : { context }) };
    expect(await decides(question)).toBe(decision);
  });

  it('limit the tokens of a role that is disabled still', async () => {
    const from = (sourceIp: string) => decides({ roles: ['asleep'], policy: ['deploy'], context: { sourceIp } });
    expect([await from('203.0.113.9'), await from('198.51.100.9')]).toEqual([true, false]);
  });

  it('do not limit what another role grants', async () => {
    const context = { sourceIp: '198.51.100.9' };
    expect(await decides({ roles: ['office', 'twice'], policy: ['deploy'], context })).toBe(true);
  });

  it('limit admin calls as well', async () => {
    const inside = await service.token({ policy: ['viewer'], roles: ['office'] });
    expect((await service.call('/v1/resources', { token: inside })).status).toBe(403);
    const elsewhere = await service.token({ policy: ['viewer'], roles: ['invokers'] });
    expect((await service.call('/v1/resources', { token: elsewhere })).status).toBe(200);
  });
});
