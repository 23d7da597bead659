import type { Page, PinAnswer } from '@countersign/contracts';
import { Command, InvalidArgumentError } from 'commander';
import { callApi } from '../api';
import { formatTable, outputOption, print, type Output } from '../format';
import type { Terminal } from '../terminal';

const LIMIT = 500;

/** `countersign pins`: the ids that repositories were first granted something with. */
export const pinsCommand = (terminal: Terminal): Command =>
  new Command('pins')
    .description('look at the ids that repositories are pinned to, and forget those of one')
    .addCommand(listCommand(terminal))
    .addCommand(deleteCommand(terminal));

interface ListOptions {
  repository?: string;
  limit: number;
  output?: Output;
}

const listCommand = (terminal: Terminal): Command =>
  new Command('list')
    .description('list pinned repositories, newest first')
    .option('--repository <path>', 'of this name, such as acme/web')
    .option('--limit <n>', `at most so many, ${LIMIT} at the most`, limitOf, 50)
    .addOption(outputOption())
    .action(async ({ repository, limit, output }: ListOptions) => {
      const query = { repository, limit: String(limit) };
      const page = await callApi<Page<PinAnswer>>(terminal, { path: '/v1/pins', query });
      print(terminal, output, page, () => formatPins(page.items));
    });

const deleteCommand = (terminal: Terminal): Command =>
  new Command('delete')
    .description('forget a pin of a repository that was recreated or moved on purpose; the next exchange makes another')
    .argument('<id>', 'of the pin, as `pins list` shows it')
    .action(async (id: string) => {
      await callApi(terminal, { method: 'DELETE', path: `/v1/pins/${encodeURIComponent(id)}` });
      terminal.write(`pin ${id} deleted\n`);
    });

function limitOf(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('give a whole number from 1 on');
  return Math.min(LIMIT, number);
}

/** A table of pins; a sentence when there are none. */
function formatPins(items: readonly PinAnswer[]): string {
  const rows = items.map(({ id, iss, repository, repositoryId, ownerId, pinnedAt }) => [
    ...[repository, repositoryId, ownerId, iss, pinnedAt, id],
  ]);
  const headings = ['repository', 'repository id', 'owner id', 'issuer', 'pinned at', 'id'];
  return formatTable(headings, rows) || 'no repository is pinned\n';
}
