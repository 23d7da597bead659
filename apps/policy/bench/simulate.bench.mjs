// What a simulation over many recorded exchanges takes, and how long decisions of the same process wait meanwhile.
// node_modules/.bin/tsc -b && node apps/policy/bench/simulate.bench.mjs [exchanges] [roles]
import { createRequire } from 'node:module';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { decideExchange } from '@countersign/contracts';
import { AuditStream, Bus, BusAdminAccess, InProcessBus, SqlAuditStream } from '@countersign/messaging';
import { AdminAccess, Logger, ServiceConfig, startService } from '@countersign/platform';
import { PolicyConfig, PolicyDatabase, PolicyModule } from '@countersign/policy';
import { createTestDatabase, startPostgres } from '@countersign/testing';

const require = createRequire(import.meta.url);
const { ExchangeWriter } = require('../dist/recorded/exchange-writer.js');

const exchanges = Number(process.argv[2] ?? 100_000);
const roles = Number(process.argv[3] ?? 1_000);
const iss = 'https://token.actions.githubusercontent.com';
const token = 'a'.repeat(32);
const logger = new Logger('bench', 'silent');

const header = (kind, name) => ({ apiVersion: 'countersign.dev/v1', kind, metadata: { name } });
const documents = (changed) => [
  { ...header('JwtIssuer', 'github'), spec: { iss, aud: ['countersign'] } },
  ...Array.from({ length: 10 }, (_, at) => ({
    ...header('Policy', `p${at}`),
    spec: { statement: [{ sid: 's', effect: 'Allow', action: ['Function:*'], resource: ['dev:*'] }] },
  })),
  ...Array.from({ length: roles }, (_, at) => ({
    ...header('Role', `r${at}`),
    spec: {
      policy: [`p${at % 10}`],
      condition: {
        StringEqual: {
          'jwt:iss': [iss],
          'jwt:repository': [`acme/repo-${at}`],
          'jwt:ref': [changed && at % 20 === 0 ? 'refs/heads/release' : 'refs/heads/main'],
        },
        StringLike: { 'jwt:sub': ['repo:acme/*'] },
      },
    },
  })),
];

const claimsOf = (at) => {
  const repository = `acme/repo-${at % roles}`;
  const ref = at % 3 === 0 ? `refs/heads/feature-${at % 50}` : 'refs/heads/main';
  return {
    ...{ iss, aud: 'countersign', sub: `repo:${repository}:ref:${ref}`, repository, ref, jti: `jti-${at}` },
    ...{ repository_id: String(at % roles), repository_owner: 'acme', repository_owner_id: '9', run_id: String(at) },
    ...{ run_number: '1', run_attempt: '1', actor: 'octocat', actor_id: '1', workflow: 'deploy', head_ref: '' },
    ...{ base_ref: '', event_name: 'push', ref_type: 'branch', repository_visibility: 'private', environment: '' },
    ...{ job_workflow_ref: `${repository}/.github/workflows/deploy.yml@${ref}`, sha: 'f'.repeat(40) },
    ...{
      runner_environment: 'github-hosted',
      iat: 1_700_000_000 + at,
      nbf: 1_700_000_000 + at,
      exp: 1_700_000_300 + at,
    },
  };
};

function eventOf(at) {
  const time = new Date(Date.now() - ((exchanges - at) / exchanges) * 29 * 24 * 60 * 60 * 1000);
  const claims = claimsOf(at);
  const nothing = { roles: null, policies: null, permissions: null };
  const data = {
    ...{ outcome: 'granted', door: 'oauth', grant: 'token-exchange', issuer: 'github', class: null, reason: null },
    ...{
      detail: null,
      claims,
      unverified: null,
      token: null,
      sourceIp: '203.0.113.7',
      traceId: `t${at}`,
      requestId: 'r',
    },
    decision: { roles: [], shadowRoles: [], policies: [], statements: [], revision: 1 },
    request: { audience: [], resource: [], scope: null, ...nothing },
  };
  const type = 'dev.countersign.exchange.granted.v1';
  const event = {
    specversion: '1.0',
    id: `e${at}`,
    source: 'https://sts.example',
    type,
    time: time.toISOString(),
    data,
  };
  return { event, streamSequence: at };
}

const postgres = await startPostgres();
const made = await createTestDatabase(postgres);
const database = new PolicyDatabase({ url: made.url, logger });
const bus = new InProcessBus(logger);
const settings = {
  COUNTERSIGN_PUBLIC_URL: 'https://sts.example',
  COUNTERSIGN_ADMIN_TOKEN: token,
  COUNTERSIGN_PORT: '0',
  COUNTERSIGN_MANAGEMENT_PORT: '0',
};
const service = await startService({
  name: 'policy',
  config: new ServiceConfig(settings),
  logger,
  modules: [PolicyModule],
  provide: [
    [PolicyConfig, new PolicyConfig(settings)],
    [PolicyDatabase, database],
    [Bus, bus],
    [AuditStream, new SqlAuditStream({ query: (sql, parameters) => database.query(sql, parameters), logger })],
    [AdminAccess, new BusAdminAccess(bus)],
  ],
});
await database.whenReady();

const call = async (path, body) => {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const response = await fetch(service.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
};

const CHUNK = 900;
const all = documents(false);
for (let at = 0; at < all.length; at += CHUNK) await call('/v1/apply', all.slice(at, at + CHUNK));
const writer = new ExchangeWriter(database, { now: () => Date.now() }, logger);
const writing = performance.now();
for (let at = 0; at < exchanges; at += 1_000) {
  await writer.store(Array.from({ length: Math.min(1_000, exchanges - at) }, (_, index) => eventOf(at + index)));
}
const recordSeconds = (performance.now() - writing) / 1_000;

const [{ bytes }] = await database.query("SELECT pg_total_relation_size('policy.recorded_exchanges')::float8 AS bytes");

const decide = () =>
  bus.request(decideExchange, {
    ...{ issuer: 'github', claims: claimsOf(1), audiences: [], roles: null, policies: null },
    ...{ sourceIp: null, now: Math.floor(Date.now() / 1_000) },
  });
const waits = [];
let simulating = true;
const ticking = (async () => {
  while (simulating) {
    const start = performance.now();
    await decide();
    waits.push(performance.now() - start);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
})();
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const cpu = process.cpuUsage();
const start = performance.now();
const answer = await call('/v1/simulate', {
  documents: documents(true)
    .filter((_, at) => at % 20 === 11)
    .slice(0, 900),
});
const seconds = (performance.now() - start) / 1_000;
const used = process.cpuUsage(cpu);
delay.disable();
simulating = false;
await ticking;
waits.sort((a, b) => a - b);
const at = (share) => Number((waits[Math.min(waits.length - 1, Math.floor(waits.length * share))] ?? 0).toFixed(1));
const loop = { p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 };
console.log(
  JSON.stringify(
    {
      ...{ exchanges, roles, recordSeconds, seconds, cpuSeconds: (used.user + used.system) / 1e6 },
      megabytes: Math.round(bytes / 1e6),
      evaluated: answer.evaluated,
      newlyDenied: answer.newlyDenied.count,
      newlyAllowed: answer.newlyAllowed.count,
      decisionMs: { count: waits.length, p50: at(0.5), p99: at(0.99), max: at(1) },
      eventLoopDelayMs: loop,
    },
    null,
    2,
  ),
);
await service.stop();
await made.drop();
await postgres.stop();
