import { eventually } from '@countersign/testing';
import { admin, applyDocuments, repositoryOf } from '../documents';
import { startFourProcesses } from '../four-processes';
import type { Conditions, Row } from '../figures';
import { runLoad } from '../http-load';
import { whenQuiet } from '../measure';
import { startEmbedded, startReceiver } from '../programs';
import { compare, warmUp, type Bench, type References } from '../rounds';
import { mintTokens } from '../subject-tokens';
import { temporaryFolder } from '../temporary-folder';
import type { OwnTarget } from '../target';
import { besideReferences } from './peer';

const PART = 'us';
const CONCURRENCIES = [1, 32, 128];
/** The number of Roles under which everything else is varied. */
const USUAL_ROLES = 1_000;
const IN_FORCE_WITHIN_MS = 15 * 60_000;

/** The embedded mode and the four processes, each beside the peer and the bare floor. */
export async function measureExchanges(bench: Bench): Promise<Row[]> {
  const starts = [
    async (): Promise<OwnTarget> => startEmbedded(await temporaryFolder()),
    (): Promise<OwnTarget> => startFourProcesses(bench.issuer, { roles: 1 }),
  ];
  const rows: Row[] = [];
  for (const start of starts) {
    bench.say('starting');
    const target = await start();
    try {
      rows.push(...(await besideReferences(bench, (references) => measureOne(bench, target, references))));
    } finally {
      await target.stop();
    }
  }
  return rows;
}

async function measureOne(bench: Bench, target: OwnTarget, references: References): Promise<Row[]> {
  const rows: Row[] = [];
  let from = 0;
  for (const roles of bench.options.roles) {
    await grow(bench, target, { from, roles });
    from = roles;
    const cell = async (concurrency: number, more: Conditions = {}): Promise<void> => {
      const measured = await compare(bench, { part: PART, targets: [target], references, roles, concurrency, more });
      rows.push(...measured.filter(({ what }) => what === target.name));
    };
    if (roles !== USUAL_ROLES) {
      await cell(32);
      continue;
    }
    for (const concurrency of CONCURRENCIES) await cell(concurrency);
    await withAuditFrozen(target, async () => {
      for (const concurrency of CONCURRENCIES) await cell(concurrency, { audit: 'frozen' });
    });
    await withWebhooks(target, async () => {
      for (const concurrency of CONCURRENCIES) await cell(concurrency, { webhooks: 'on' });
    });
  }
  return rows;
}

/** More Roles; resolves when their jobs get tokens and the system has calmed down. */
async function grow(bench: Bench, target: OwnTarget, sizes: { from: number; roles: number }): Promise<void> {
  const since = performance.now();
  await applyDocuments(target, bench.issuer, sizes);
  await eventually(async () => {
    const [token = ''] = await mintTokens(bench.issuer, 1, sizes, repositoryOf(sizes.roles - 1, sizes));
    const load = { url: target.url, concurrency: 1, count: 1, request: () => target.exchangeRequest(token) };
    const { statuses } = await runLoad(load);
    if (statuses['200'] !== 1) throw new Error(`an exchange answers ${JSON.stringify(statuses)}`);
  }, IN_FORCE_WITHIN_MS);
  bench.say(`${target.name}: ${sizes.roles} Roles in force after ${((performance.now() - since) / 1000).toFixed(1)} s`);
  await warmUp(bench, [target], sizes.roles);
}

/** The stream keeps what is published meanwhile. Where audit is no process of its own, nothing is done. */
async function withAuditFrozen({ audit, processes }: OwnTarget, work: () => Promise<void>): Promise<void> {
  if (audit === undefined) return;
  audit.pause();
  try {
    await work();
  } finally {
    audit.resume();
    await whenQuiet(processes);
  }
}

/** One endpoint for all events, on the loopback interface. */
async function withWebhooks(target: OwnTarget, work: () => Promise<void>): Promise<void> {
  const receiver = await startReceiver();
  try {
    const endpoint = { url: receiver.url, maxPerSecond: 1_000 };
    const { id } = (await admin(target, 'POST', '/v1/webhooks', endpoint)) as { id: string };
    await work();
    await admin(target, 'DELETE', `/v1/webhooks/${id}`);
  } finally {
    await receiver.stop();
  }
}
