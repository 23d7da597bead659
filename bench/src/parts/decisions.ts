import { eventually } from '@countersign/testing';
import { GATEWAY, userOf } from '../documents';
import { startFourProcesses, type FourProcesses } from '../four-processes';
import { ratio, type Row, type Sample } from '../figures';
import { httpPost } from '../http-load';
import { measure } from '../measure';
import { startFloor } from '../programs';
import { row, WARM_UP_ROUNDS, type Bench } from '../rounds';
import { mintTokens } from '../subject-tokens';

const PART = 'decisions';
const JOBS = 10;
const BATCH = 100;
const IN_FORCE_WITHIN_MS = 15 * 60_000;

/** The AuthZEN endpoints of the policy service, asked by an enforcement point with one of our tokens. */
export async function measureDecisions(bench: Bench): Promise<Row[]> {
  const users = bench.options.roles.at(-1) ?? 1;
  bench.say(`starting, with ${users} Roles`);
  const target = await startFourProcesses(bench.issuer, { roles: JOBS, users });
  const floor = await startFloor(bench.issuer);
  try {
    const enter = async () => askWith(target, await eventually(() => gatewayToken(bench, target)), users);
    await eventually(async () => (await enter()).once(users - 1), IN_FORCE_WITHIN_MS);
    const ask = await enter();
    await measure(policyOf(target), {
      count: WARM_UP_ROUNDS * bench.options.requests,
      concurrency: 32,
      request: ask.one,
    });
    const rows: Row[] = [];
    for (const concurrency of [1, 32, 128]) {
      bench.say(`decisions: concurrency ${concurrency}`);
      rows.push(...(await measureAt(bench, { target, floor, ask, concurrency, users })));
    }
    return rows;
  } finally {
    await floor.stop();
    await target.stop();
  }
}

interface Setting {
  target: FourProcesses;
  floor: Awaited<ReturnType<typeof startFloor>>;
  ask: ReturnType<typeof askWith>;
  concurrency: number;
  users: number;
}

const policyOf = ({ policyUrl: url, processes }: FourProcesses) => ({ url, processes });

async function measureAt(bench: Bench, { target, floor, ask, concurrency, users }: Setting): Promise<Row[]> {
  const { rounds, requests } = bench.options;
  const policy = policyOf(target);
  const samples: Record<'bare' | 'one' | 'many', Sample[]> = { bare: [], one: [], many: [] };
  for (let round = 0; round < rounds; round++) {
    const load = { count: requests, concurrency };
    samples.bare.push(await measure(floor, { ...load, request: () => floor.plain.request }));
    samples.one.push(await measure(policy, { ...load, request: ask.one }));
    const count = Math.ceil(requests / BATCH) + concurrency;
    samples.many.push(perItem(await measure(policy, { count, concurrency, request: ask.many })));
  }
  const conditions = { concurrency, roles: users + JOBS + 1 };
  return [
    row({ part: PART, what: 'bare http', conditions }, samples.bare),
    row({ part: PART, what: 'evaluation', conditions }, samples.one, { toBareHttp: ratio(samples.one, samples.bare) }),
    row({ part: PART, what: `evaluations, ${BATCH} each`, conditions }, samples.many),
  ];
}

/** Rate and CPU of one evaluation instead of a batch; latencies stay those of the batch. */
const perItem = ({ figures, cpuMicros }: Sample): Sample => ({
  figures: { ...figures, rate: figures.rate * BATCH },
  cpuMicros: Object.fromEntries(Object.entries(cpuMicros).map(([name, micros]) => [name, micros / BATCH])),
});

function askWith({ policyUrl }: FourProcesses, token: string, users: number) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const post = (path: string, body: object): string => httpPost(policyUrl, path, JSON.stringify(body), headers);
  const question = (number: number): object => ({
    subject: { type: 'user', id: userOf(number * 7_919, users) },
    action: { name: 'Report:Read' },
    resource: { type: 'report', id: `${number}` },
  });
  return {
    /** @throws Error unless it is allowed */
    once: async (number: number): Promise<void> => {
      const body = JSON.stringify(question(number));
      const response = await fetch(`${policyUrl}/access/v1/evaluation`, { method: 'POST', headers, body });
      const answer = await response.text();
      if (!answer.includes('true')) throw new Error(`an evaluation answers ${response.status} ${answer}`);
    },
    one: (number: number) => post('/access/v1/evaluation', question(number)),
    many: (number: number) =>
      post('/access/v1/evaluations', {
        evaluations: Array.from({ length: BATCH }, (_, item) => question(number * BATCH + item)),
      }),
  };
}

/** The enforcement point exchanges its own token like any job. */
async function gatewayToken({ issuer }: Bench, { adminUrl }: FourProcesses): Promise<string> {
  const [subjectToken = ''] = await mintTokens(issuer, 1, { roles: JOBS }, GATEWAY);
  const body = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: subjectToken,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  });
  const response = await fetch(`${adminUrl}/oauth2/token`, { method: 'POST', body });
  if (!response.ok) throw new Error(`the enforcement point gets no token: ${await response.text()}`);
  return ((await response.json()) as { access_token: string }).access_token;
}
