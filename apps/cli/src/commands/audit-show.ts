import type { RecordedEvent } from '@countersign/contracts';
import { Command } from 'commander';
import { stringify } from 'yaml';
import { callApi } from '../api';
import { shortType } from '../event-filters';
import { formatFields, outputOption, print, printable, type Output } from '../format';
import type { Terminal } from '../terminal';

/** `countersign audit show`: everything about one event. */
export const showCommand = (terminal: Terminal): Command =>
  new Command('show')
    .description('show one event with all that it holds')
    .argument('<id>', 'of the event, as `audit list -o json` has it')
    .addOption(outputOption())
    .action(async (id: string, { output }: { output?: Output }) => {
      const event = await callApi<RecordedEvent>(terminal, { path: `/v1/events/${encodeURIComponent(id)}` });
      print(terminal, output, event, () => formatEvent(event));
    });

function formatEvent({ id, type, time, sequence, subject, data }: RecordedEvent): string {
  const fields = formatFields([
    ['event', shortType(type)],
    ['id', id],
    ['sequence', sequence],
    ['time', time],
    ['subject', subject ?? '-'],
  ]);
  const present = Object.fromEntries(Object.entries(data).filter(([, value]) => value !== null));
  const { outcome, traceId } = data;
  const next = outcome === 'denied' ? `\nnext  countersign explain --trace-id ${String(traceId)}\n` : '';
  return `${fields}\n${asText(present)}${next}`;
}

/** YAML reads well; its own quoting leaves some characters that turn text around. */
const asText = (value: unknown): string =>
  stringify(value, { lineWidth: 0 })
    .split('\n')
    .map((line) => printable(line))
    .join('\n');
