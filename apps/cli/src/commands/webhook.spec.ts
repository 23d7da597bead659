import { commandUnderTest, send } from '../command.fixture';

const SECRET = 'whsec_only-once';
const webhook = {
  id: 'w1',
  url: 'https://receiver.test/',
  types: ['dev.countersign.exchange.denied.v1'],
  issuers: ['github'],
  roles: [],
  outcomes: [],
  disabled: true,
  disabledReason: 'gone',
  createdAt: '2026-11-20T10:00:00.000Z',
  publicKey: 'whpk_x',
};
const delivery = {
  id: 'd1',
  webhookId: 'w1',
  eventId: 'e1',
  eventType: 'dev.countersign.exchange.denied.v1',
  endpointSequence: '3',
  status: 'retrying',
  attempts: [{ at: '2026-11-20T10:00:00.000Z', responseStatus: null, error: 'timeout', durationMs: 15_000 }],
  nextAttemptAt: '2026-11-20T10:05:00.000Z',
  createdAt: '2026-11-20T10:00:00.000Z',
};
const ANSWERS: Record<string, unknown> = {
  'POST /v1/webhooks': { ...webhook, secret: SECRET },
  'GET /v1/webhooks?limit=50': { items: [webhook], nextCursor: null },
  'PATCH /v1/webhooks/w1': { ...webhook, disabled: false, disabledReason: null },
  'DELETE /v1/webhooks/w1': null,
  'POST /v1/webhooks/w1/test': { eventId: 'e9' },
  'POST /v1/webhooks/w1/rotate-secret': { secret: SECRET, previousSecretExpiresAt: '2026-11-21T10:00:00.000Z' },
  'GET /v1/webhooks/w1/deliveries?limit=500': { items: [delivery], nextCursor: null },
  'POST /v1/deliveries/d1/redeliver': delivery,
  'POST /v1/webhooks/w1/recover?since=2026-11-20T10%3A00%3A00Z': { recovered: 4 },
};

const cli = commandUnderTest();
const run = (...args: string[]) => cli.run(['webhook', ...args]);

beforeEach(() => {
  cli.respond = (response, { line }) => send(response, ANSWERS[line] ?? null, line in ANSWERS ? 200 : 404);
});

describe('countersign webhook', () => {
  it.each<[string[], RegExp]>([
    [['list'], /^w1 +https:\/\/receiver\.test\/ +gone +dev\.countersign\.exchange\.denied\.v1, issuer github$/m],
    [
      ['enable', 'w1'],
      /^webhook w1 is enabled: https:\/\/receiver\.test\/\nnext {2}countersign webhook recover w1 --since/m,
    ],
    [['disable', 'w1'], /^webhook w1 is disabled\nnext {2}countersign webhook enable w1$/m],
    [['delete', 'w1'], /^webhook w1 deleted$/m],
    [['test', 'w1'], /test event e9 .*\nnext {2}countersign webhook deliveries w1$/m],
    [['rotate', 'w1'], /secret +whsec_only-once\n.*2026-11-21T10:00:00\.000Z\n\nKeep the secret now/],
    [['deliveries', 'w1', '--limit', '900'], /^3 .* retrying, next 2026-11-20T10:05:00\.000Z +1 +timeout +d1$/m],
    [['redeliver', 'd1'], /delivery d1 is on its way/],
    [['recover', 'w1', '--since', '2026-11-20T10:00:00Z'], /deliveries on their way: 4/],
  ])('%j', async (args, shown) => {
    expect(await run(...args)).toMatchObject({ code: 0, out: expect.stringMatching(shown) });
  });

  it.each([
    ['enable', false],
    ['disable', true],
  ])('%s says so to the server, and nothing else', async (name, disabled) => {
    await run(name, 'w1');
    expect(cli.seen.map(({ line, body }) => [line, JSON.parse(body)])).toEqual([
      ['PATCH /v1/webhooks/w1', { disabled }],
    ]);
  });

  it('create sends what was given, shows the secret once, and says what to do next', async () => {
    const options = ['--type', 'exchange.denied', 'policy.applied', '--issuer', 'github', '--max-per-second', '5'];
    const { code, out } = await run('create', webhook.url, ...options, '--format', 'openfaas', '--handshake');
    expect(JSON.parse(cli.seen.at(-1)?.body ?? '')).toEqual({
      url: webhook.url,
      types: ['dev.countersign.exchange.denied.v1', 'dev.countersign.policy.applied.v1'],
      issuers: ['github'],
      maxPerSecond: 5,
      format: 'openfaas',
      handshake: true,
    });
    expect([code, out.split(SECRET).length, out]).toEqual([0, 2, expect.stringContaining('webhook test w1')]);
  });

  it('create prints the answer as JSON', async () => {
    expect(JSON.parse((await run('create', webhook.url, '-o', 'json')).out)).toMatchObject({ secret: SECRET });
  });

  it.each<[string[], number]>([
    [['delete', 'unknown'], 1],
    [['enable', 'unknown'], 1],
    [['recover', 'w1'], 2],
    [['create'], 2],
    [['create', webhook.url, '--format', 'xml'], 2],
  ])('%j ends with exit code %i', async (args, code) => {
    expect((await run(...args)).code).toBe(code);
  });
});
