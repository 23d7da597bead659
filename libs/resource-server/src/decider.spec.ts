import { createDecider } from './decider';

const question = { token: 'a.b.c', action: 'Thing:Read', resource: 'things:one:two' };
const answering = (answer: () => Response | Promise<Response>) => {
  const requests: { url: string; init: RequestInit }[] = [];
  const fetch = async (url: string, init: RequestInit) => {
    requests.push({ url, init });
    return answer();
  };
  return { requests, fetch };
};
const url = 'https://sts.example.com';

test('the question is asked as AuthZEN says, with the enforcement point’s own token', async () => {
  const { requests, fetch } = answering(() => Response.json({ decision: true, context: {} }));
  const decider = createDecider({ url, token: async () => 'own', fetch });
  const context = { sourceIp: '203.0.113.7' };
  const dpop = { proof: 'p', method: 'GET', url: 'https://api.example.com/things' };
  expect(await decider.decide({ ...question, context, dpop })).toEqual({ ok: true, allowed: true });
  expect(requests).toMatchObject([
    {
      url: `${url}/access/v1/evaluation`,
      init: { method: 'POST', redirect: 'error', headers: { authorization: 'Bearer own' } },
    },
  ]);
  expect(JSON.parse(requests[0]?.init.body as string)).toEqual({
    subject: { type: 'access_token', id: 'a.b.c' },
    action: { name: 'Thing:Read' },
    resource: { type: 'things', id: 'one:two' },
    context: { ...context, dpop },
  });
});

test('a denial is a denial', async () => {
  const { fetch } = answering(() => Response.json({ decision: false }));
  expect(await createDecider({ url, token: 't', fetch }).decide(question)).toEqual({ ok: true, allowed: false });
});

test.each<[string, () => Response]>([
  ['a refusal', () => Response.json({ decision: true }, { status: 401 })],
  ['an outage', () => Response.json({ decision: true }, { status: 503 })],
  ['another truth', () => Response.json({ decision: 'true' })],
  ['no object', () => Response.json([true])],
  ['no JSON', () => new Response('yes')],
  ['nothing', () => new Response(null)],
  [
    'a broken connection',
    () => {
      throw new TypeError('fetch failed');
    },
  ],
])('%s is no decision, and no allowance', async (_, answer) => {
  const decider = createDecider({ url, token: 't', fetch: answering(answer).fetch });
  expect(await decider.decide(question)).toEqual({ ok: false, reason: 'decision_unavailable' });
});

test.each(['things', ':one', 'things:', ''])(
  'a resource that is no namespace:name is not asked about: "%s"',
  async (resource) => {
    const { requests, fetch } = answering(() => Response.json({ decision: true }));
    expect((await createDecider({ url, token: 't', fetch }).decide({ ...question, resource })).ok).toBe(false);
    expect(requests).toEqual([]);
  },
);

test('tokens are not sent over plain HTTP', () => {
  expect(() => createDecider({ url: 'http://sts.example.com', token: 't' })).toThrow(TypeError);
});
