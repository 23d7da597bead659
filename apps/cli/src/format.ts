import { styleText } from 'node:util';
import { Option } from 'commander';
import { stringify } from 'yaml';
import type { Terminal } from './terminal';

export const OUTPUTS = ['table', 'json', 'yaml'] as const;

export type Output = (typeof OUTPUTS)[number];

export const outputOption = (): Option => new Option('-o, --output <format>', 'how to print').choices(OUTPUTS);

/** Columns padded to their widest cell, headings in upper case; '' for no rows. */
export function formatTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const lines = [headings.map((heading) => heading.toUpperCase()), ...rows.map((row) => row.map(printable))];
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  return lines.map((line) => `${pad(line, widths).trimEnd()}\n`).join('');
}

/** `name  value` lines with aligned values. */
export function formatFields(fields: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${printable(name).padEnd(width)}  ${printable(value)}\n`).join('');
}

/** Prints `value` as JSON or YAML, or else the text made for people. */
export function print(terminal: Terminal, output: Output | undefined, value: unknown, text: () => string): void {
  if (output === 'json') terminal.write(`${JSON.stringify(value, null, 2)}\n`);
  else if (output === 'yaml') terminal.write(stringify(value));
  else terminal.write(text());
}

type Colour = 'green' | 'red' | 'yellow' | 'dim';

/** Colour on a terminal, unless NO_COLOR is set; plain text everywhere else. The terminal given decides, not Node's. */
export function paint({ isTty, env }: Pick<Terminal, 'isTty' | 'env'>, colour: Colour, text: string): string {
  return isTty && !env['NO_COLOR'] ? styleText(colour, text, { validateStream: false }) : text;
}

/** `14 min 59 s` and the like, for seconds. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [
    [Math.floor(whole / 3600), 'h'],
    [Math.floor((whole % 3600) / 60), 'min'],
    [whole % 60, 's'],
  ] as const;
  const shown = parts.filter(([amount]) => amount > 0).slice(0, 2);
  return shown.length === 0 ? '0 s' : shown.map(([amount, unit]) => `${amount} ${unit}`).join(' ');
}

const pad = (line: readonly string[], widths: readonly number[]): string =>
  line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');

/** What a terminal acts on, what turns a text round and what cannot be seen. */
const NOT_PRINTABLE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu;

/** Values come from tokens of strangers: what is in them must neither reach the terminal nor hide in it. */
export const printable = (text: string): string => text.replace(NOT_PRINTABLE, '�');
