import type { WebhookAnswer } from '@countersign/contracts';
import { Command, Option } from 'commander';
import { callApi } from '../api';
import { fullType, parseLimit } from '../event-filters';
import { formatFields, outputOption, print, type Output } from '../format';
import type { Terminal } from '../terminal';

interface Options {
  type?: string[];
  issuer?: string[];
  role?: string[];
  outcome?: string[];
  format?: string;
  maxPerSecond?: number;
  handshake?: boolean;
  output?: Output;
}

/** `countersign webhook create`: registers an endpoint and shows its secret, this once. */
export const createCommand = (terminal: Terminal): Command =>
  new Command('create')
    .description('register a webhook; without filters it gets every event')
    .argument('<url>', 'https, where events are POSTed to')
    .option('--type <type...>', 'only these event types, with or without `dev.countersign.` and `.v1`')
    .option('--issuer <name...>', 'only events of these JwtIssuers')
    .option('--role <name...>', 'only exchanges under these roles')
    .option('--outcome <outcome...>', 'only granted, denied, …')
    .addOption(new Option('--format <format>', 'shape of the deliveries').choices(['cloudevents', 'openfaas']))
    .option('--max-per-second <n>', 'at most so many deliveries a second (default 50)', parseLimit)
    .option('--handshake', 'ask the receiver first whether it wants our deliveries (CloudEvents)')
    .addOption(outputOption())
    .action(async (url: string, { output, ...options }: Options) => {
      const body = JSON.stringify({ url, ...settingsOf(options) });
      const call = { method: 'POST', path: '/v1/webhooks', body, contentType: 'application/json' } as const;
      const answer = await callApi<WebhookAnswer>(terminal, call);
      print(terminal, output, answer, () => formatCreated(answer));
    });

/** What is left out is the server's to fill in. */
function settingsOf({ type, issuer, role, outcome, ...rest }: Options): Record<string, unknown> {
  return { types: type?.map(fullType), issuers: issuer, roles: role, outcomes: outcome, ...rest };
}

function formatCreated({ id, url, secret = '', publicKey }: WebhookAnswer): string {
  const fields = formatFields([
    ['webhook', id],
    ['url', url],
    ['secret', secret],
    ['public key', publicKey],
  ]);
  const lines = [
    'Keep the secret now: it is not shown again. The receiver verifies each delivery with it (Standard Webhooks,',
    'docs/events.md), or with the public key.',
    `next  countersign webhook test ${id}`,
  ];
  return `${fields}\n${lines.join('\n')}\n`;
}
