import type { WebhookAnswer } from '@countersign/contracts';
import { Command } from 'commander';
import { callApi } from '../api';
import type { Terminal } from '../terminal';

const change = (terminal: Terminal, id: string, disabled: boolean): Promise<WebhookAnswer> =>
  callApi<WebhookAnswer>(terminal, {
    method: 'PATCH',
    path: `/v1/webhooks/${encodeURIComponent(id)}`,
    body: JSON.stringify({ disabled }),
    contentType: 'application/json',
  });

/** `countersign webhook enable`: after a receiver that failed for days or said 410 is mended. */
export const enableCommand = (terminal: Terminal): Command =>
  new Command('enable')
    .description('deliver to a webhook again, whoever or whatever disabled it')
    .argument('<id>')
    .action(async (id: string) => {
      const { url } = await change(terminal, id, false);
      const next = `countersign webhook recover ${id} --since TIME   what it missed (14 days back)`;
      terminal.write(`webhook ${id} is enabled: ${url}\nnext  ${next}\n`);
    });

/** `countersign webhook disable`: until it is enabled again, nothing is delivered. */
export const disableCommand = (terminal: Terminal): Command =>
  new Command('disable')
    .description('deliver nothing to a webhook until it is enabled; what waits is given up')
    .argument('<id>')
    .action(async (id: string) => {
      await change(terminal, id, true);
      terminal.write(`webhook ${id} is disabled\nnext  countersign webhook enable ${id}\n`);
    });
