import type { DocumentChange } from '@countersign/contracts';
import { stringify } from 'yaml';
import { paint, printable } from './format';
import { lineDiff } from './line-diff';
import type { Terminal } from './terminal';

export type ShownChange = Omit<DocumentChange, 'owner'>;

type Screen = Pick<Terminal, 'isTty' | 'env'>;

const actionColours = { created: 'green', updated: 'yellow', deleted: 'red' } as const;
const markColours: Record<string, 'green' | 'red' | 'dim'> = { '+': 'green', '-': 'red', '@': 'dim' };

/** What happens to each document, with the difference of its YAML; then how many there are of each. */
export function formatChanges(screen: Screen, changes: readonly ShownChange[]): string {
  const count = (wanted: string): number => changes.filter(({ action }) => action === wanted).length;
  const summary = `${count('created')} created, ${count('updated')} updated, ${count('deleted')} deleted\n`;
  return [...changes.map((change) => formatChange(screen, change)), summary].join('');
}

function formatChange(screen: Screen, { kind, name, action, before, after }: ShownChange): string {
  const lines = lineDiff(yamlOf(before), yamlOf(inOrderOf(before, after))).map((line) =>
    paint(screen, markColours[line.charAt(0)] ?? 'dim', printable(line)),
  );
  return `${[`${kind}/${name} ${paint(screen, actionColours[action], action)}`, ...lines].join('\n')}\n`;
}

const yamlOf = (document: unknown): string => (document === null ? '' : stringify(document, { lineWidth: 0 }));

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The order of members means nothing, so that it is no difference. */
export function inOrderOf(model: unknown, value: unknown): unknown {
  if (Array.isArray(model) && Array.isArray(value)) return value.map((item, at) => inOrderOf(model[at], item));
  if (!isObject(model) || !isObject(value)) return value;
  const known = Object.keys(model).filter((member) => Object.hasOwn(value, member));
  const fresh = Object.keys(value).filter((member) => !Object.hasOwn(model, member));
  return Object.fromEntries([...known, ...fresh].map((member) => [member, inOrderOf(model[member], value[member])]));
}
