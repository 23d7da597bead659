import type { DeliveryAnswer, Page, RotatedSecretAnswer, WebhookAnswer } from '@countersign/contracts';
import { Command } from 'commander';
import { callApi } from '../api';
import { parseLimit } from '../event-filters';
import { formatFields, formatTable, outputOption, print, type Output } from '../format';
import type { Terminal } from '../terminal';
import { createCommand } from './webhook-create';
import { disableCommand, enableCommand } from './webhook-enable';
import { listenCommand } from './webhook-listen';

const MOST = 500;

/** `countersign webhook`: where events are delivered to. */
export const webhookCommand = (terminal: Terminal): Command =>
  new Command('webhook')
    .description('register endpoints that get events, look after their deliveries')
    .addCommand(createCommand(terminal))
    .addCommand(listCommand(terminal))
    .addCommand(enableCommand(terminal))
    .addCommand(disableCommand(terminal))
    .addCommand(deleteCommand(terminal))
    .addCommand(testCommand(terminal))
    .addCommand(rotateCommand(terminal))
    .addCommand(deliveriesCommand(terminal))
    .addCommand(redeliverCommand(terminal))
    .addCommand(recoverCommand(terminal))
    .addCommand(listenCommand(terminal));

const pathOf = (id: string, rest = ''): string => `/v1/webhooks/${encodeURIComponent(id)}${rest}`;

interface ListOptions {
  limit: number;
  output?: Output;
}

const withList = (command: Command): Command =>
  command.option('--limit <n>', `at most so many, ${MOST} at the most`, parseLimit, 50).addOption(outputOption());
const queryOf = ({ limit }: ListOptions) => ({ limit: String(Math.min(MOST, limit)) });

const listCommand = (terminal: Terminal): Command =>
  withList(new Command('list').description('list webhooks, oldest first')).action(async (options: ListOptions) => {
    const page = await callApi<Page<WebhookAnswer>>(terminal, { path: '/v1/webhooks', query: queryOf(options) });
    print(terminal, options.output, page, () => {
      const rows = page.items.map((one) => [one.id, one.url, one.disabledReason ?? 'enabled', filterOf(one)]);
      return formatTable(['id', 'url', 'state', 'events'], rows) || 'there is no webhook\n';
    });
  });

/** What it hears of, in one line. */
function filterOf({ types, issuers, roles, outcomes }: WebhookAnswer): string {
  const parts = [...types, ...issuers.map((name) => `issuer ${name}`), ...roles.map((name) => `role ${name}`)];
  return [...parts, ...outcomes].join(', ') || 'all';
}

const deleteCommand = (terminal: Terminal): Command =>
  new Command('delete')
    .description('delete a webhook with its deliveries')
    .argument('<id>')
    .action(async (id: string) => {
      await callApi(terminal, { method: 'DELETE', path: pathOf(id) });
      terminal.write(`webhook ${id} deleted\n`);
    });

const testCommand = (terminal: Terminal): Command =>
  new Command('test')
    .description('deliver a test event')
    .argument('<id>')
    .action(async (id: string) => {
      const answer = await callApi<{ eventId: string }>(terminal, { method: 'POST', path: pathOf(id, '/test') });
      terminal.write(`test event ${answer.eventId} is on its way\nnext  countersign webhook deliveries ${id}\n`);
    });

const rotateCommand = (terminal: Terminal): Command =>
  new Command('rotate')
    .description('replace the secret; deliveries carry both signatures for a day')
    .argument('<id>')
    .addOption(outputOption())
    .action(async (id: string, { output }: { output?: Output }) => {
      const path = pathOf(id, '/rotate-secret');
      const answer = await callApi<RotatedSecretAnswer>(terminal, { method: 'POST', path });
      print(terminal, output, answer, () => {
        const fields = formatFields([
          ['secret', answer.secret],
          ['the one before', `is good until ${answer.previousSecretExpiresAt}`],
        ]);
        return `${fields}\nKeep the secret now, it is not shown again; give it to the receiver before then.\n`;
      });
    });

const deliveriesCommand = (terminal: Terminal): Command =>
  withList(
    new Command('deliveries')
      .description('what was sent to a webhook, newest first')
      .argument('<id>', 'of the webhook'),
  ).action(async (id: string, options: ListOptions) => {
    const call = { path: pathOf(id, '/deliveries'), query: queryOf(options) };
    const page = await callApi<Page<DeliveryAnswer>>(terminal, call);
    print(terminal, options.output, page, () => formatDeliveries(page.items));
  });

function formatDeliveries(items: readonly DeliveryAnswer[]): string {
  const rows = items.map(({ endpointSequence, createdAt, eventType, status, attempts, nextAttemptAt, id }) => {
    const last = attempts.at(-1);
    const answer = last === undefined ? '-' : String(last.responseStatus ?? last.error);
    const state = nextAttemptAt === null ? status : `${status}, next ${nextAttemptAt}`;
    return [endpointSequence ?? '-', createdAt, eventType, state, `${attempts.length}`, answer, id];
  });
  const headings = ['number', 'created', 'event', 'status', 'attempts', 'last answer', 'id'];
  return formatTable(headings, rows) || 'nothing was to be delivered yet\n';
}

const redeliverCommand = (terminal: Terminal): Command =>
  new Command('redeliver')
    .description('one attempt more, at once')
    .argument('<delivery>', 'id, as `webhook deliveries` shows it')
    .action(async (id: string) => {
      const path = `/v1/deliveries/${encodeURIComponent(id)}/redeliver`;
      const { webhookId } = await callApi<DeliveryAnswer>(terminal, { method: 'POST', path });
      terminal.write(`delivery ${id} is on its way\nnext  countersign webhook deliveries ${webhookId}\n`);
    });

const recoverCommand = (terminal: Terminal): Command =>
  new Command('recover')
    .description('deliver again what the webhook has not taken, and what it missed while disabled')
    .argument('<id>')
    .requiredOption('--since <time>', 'RFC 3339, within the last 14 days')
    .action(async (id: string, { since }: { since: string }) => {
      const call = { method: 'POST', path: pathOf(id, '/recover'), query: { since } } as const;
      const { recovered } = await callApi<{ recovered: number }>(terminal, call);
      terminal.write(`deliveries on their way: ${recovered}\n`);
    });
