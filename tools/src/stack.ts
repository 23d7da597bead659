import { resolve } from 'node:path';
import { startStack, type Stack } from '@countersign/testing';

const PORT = 8080;

/** Starts the distributed mode locally and stays until Ctrl-C. Nothing that dies is started again. */
async function main(): Promise<void> {
  const dataDir = resolve(__dirname, '../../.countersign/stack');
  console.log('starting NATS, Redis, PostgreSQL, the four services and nginx …');
  const stack = await startStack({ dataDir, port: Number(process.env.PORT ?? PORT) });
  console.log(describe(stack, dataDir));
  await new Promise<void>((stop) => process.once('SIGINT', stop).once('SIGTERM', stop));
  console.log('\nstopping …');
  await stack.stop();
}

function describe(stack: Stack, dataDir: string): string {
  const rows = [
    ['service', 'URL', 'management', 'pid'],
    ...stack.services.map(({ name, replica, url, managementUrl, pid }) => [
      `${name} ${replica}`,
      url,
      managementUrl,
      String(pid),
    ]),
    ['nginx', stack.url, '', ''],
    ['nats', stack.nats.url, '', ''],
    ['redis', stack.redis.url, '', ''],
    ['postgres', `postgres://${new URL(stack.postgres.url).host}`, '', ''],
  ];
  return `
${table(rows)}

Everything goes through ${stack.url}. Logs are in ${dataDir}/logs. It starts empty each time.

Try next:
  export COUNTERSIGN_URL=${stack.url}
  export COUNTERSIGN_TOKEN=$(cat ${dataDir}/secrets/policy/admin_token)
  curl -s $COUNTERSIGN_URL/.well-known/openid-configuration
  curl -s -H "Authorization: Bearer $COUNTERSIGN_TOKEN" $COUNTERSIGN_URL/v1/resources
  npm run demo

Ctrl-C stops it all.`;
}

function table(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]): string => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
