import { randomBytes } from 'node:crypto';
import type { RecordedEvent } from '@countersign/contracts';
import { generateSecret, signMessage } from '@countersign/webhooks';
import { Command } from 'commander';
import { filterQuery, parseLimit, shortType, withEventFilters, type EventFilterOptions } from '../event-filters';
import { usageFailure } from '../failure';
import { followEvents } from '../follow-events';
import { formatFields, paint, printable } from '../format';
import { isLoopback } from '../settings';
import type { Terminal } from '../terminal';
import { parseDuration, untilStopped } from '../until-stopped';

interface Options extends EventFilterOptions {
  for?: number;
  limit?: number;
}

interface Target {
  url: URL;
  secret: string;
}

const SECRET_BYTES = 32;
const TIMEOUT_MS = 15_000;

/** `countersign webhook listen`: deliveries to a receiver under development; the server knows nothing of it. */
export const listenCommand = (terminal: Terminal): Command =>
  withEventFilters(
    new Command('listen')
      .description('forward events to a URL on this machine as they come, signed like deliveries (for development)')
      .argument('<url>', 'such as http://127.0.0.1:9000/'),
  )
    .option('--for <time>', 'stop after this time: 30s, 5m, 1h', parseDuration)
    .option('--limit <n>', 'stop after so many events', parseLimit)
    .action(async (text: string, { for: forMs, limit = Infinity, ...filters }: Options) => {
      const target = { url: localUrl(text), secret: secretOf(terminal) };
      terminal.write(greeting(target));
      await untilStopped(forMs, async ({ signal }) => {
        let count = 0;
        for await (const event of followEvents(terminal, { filters: filterQuery(filters), signal })) {
          terminal.write(lineOf(terminal, event, await deliver(target, event)));
          count += 1;
          if (count >= limit) break;
        }
      });
    });

/** Events hold claims of people: what is for development stays on the machine. */
function localUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && ['http:', 'https:'].includes(url.protocol) && isLoopback(url)) return url;
  throw usageFailure(
    `not a URL of this machine: ${text}`,
    'Give http://127.0.0.1:PORT/…; for any other: countersign webhook create.',
  );
}

/** A receiver that is running already has one; else it is told ours. */
function secretOf({ env }: Terminal): string {
  const given = env['WEBHOOK_SECRET'];
  if (!given) return generateSecret(randomBytes(SECRET_BYTES));
  try {
    signMessage({ id: 'x', timestamp: 0, body: '', secrets: [given] });
    return given;
  } catch {
    throw usageFailure('WEBHOOK_SECRET is not a webhook secret', 'It is whsec_ and 24 to 64 bytes in base64.');
  }
}

const greeting = ({ url, secret }: Target): string =>
  `${formatFields([
    ['forwarding to', url.href],
    ['secret', secret],
  ])}\nThe secret is of this command only: set WEBHOOK_SECRET, here too, to keep one. Ctrl-C ends it.\n\n`;

/** The status of the answer, or what went wrong; there is no second attempt. */
async function deliver({ url, secret }: Target, event: RecordedEvent): Promise<number | string> {
  const body = JSON.stringify(event);
  const { id } = event;
  const timestamp = Math.floor(Date.now() / 1000);
  const headers = {
    'content-type': 'application/cloudevents+json',
    'user-agent': 'countersign',
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signMessage({ id, timestamp, body, secrets: [secret] }),
  };
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(url, { method: 'POST', headers, body, redirect: 'manual', signal });
    await response.body?.cancel();
    return response.status;
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : (error as Error);
    return (cause as NodeJS.ErrnoException).code ?? cause.name;
  }
}

function lineOf(terminal: Terminal, { sequence, time, type, id }: RecordedEvent, answer: number | string): string {
  const isTaken = typeof answer === 'number' && answer >= 200 && answer < 300;
  const cells = [sequence, time, shortType(type), id].map(printable);
  return `${cells.join('  ')}  ${paint(terminal, isTaken ? 'green' : 'red', String(answer))}\n`;
}
