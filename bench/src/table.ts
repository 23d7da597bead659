import type { Row } from './figures';
import type { GoalResult } from './goals';

/** Puts colour on a text, or leaves it as it is. */
export type Paint = (colour: 'bold' | 'dim' | 'green' | 'red', text: string) => string;

const HEADINGS: Record<string, string> = {
  rate: '/s',
  p50Ms: 'p50 ms',
  p99Ms: 'p99 ms',
  cpuMicros: 'CPU µs',
  toPeer: '× peer',
  toFloor: '× floor',
  cpuToPeer: 'CPU × peer',
  toBareHttp: '× bare http',
  memoryMb: 'MB',
  cpuSeconds: 's of CPU',
  each: 'for one',
};

/** Three digits are what two noisy cores can tell apart. */
export const shorten = (value: number): string =>
  Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));

const cell = (value: string | number | undefined): string =>
  value === undefined ? '' : typeof value === 'number' ? shorten(value) : value;

const namesOf = (rows: readonly Row[], member: 'conditions' | 'figures'): string[] => [
  ...new Set(rows.flatMap((row) => Object.keys(row[member]))),
];

/** The lines of a table: numbers to the right, nothing at the end of a line. */
export function alignColumns(lines: readonly (readonly string[])[]): string[] {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const isNumber = (text: string): boolean => /^[\d,.]+$/.test(text);
  return lines.map((line) =>
    line
      .map((text, column) => (isNumber(text) ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

/** One part of a run as a table; no column for what is the same nothing everywhere. */
export function tableOf(rows: readonly Row[]): string[] {
  const conditions = namesOf(rows, 'conditions');
  const figures = namesOf(rows, 'figures').filter((name) => name !== 'failed' || rows.some((row) => row.figures[name]));
  const byProcess = (row: Row): string =>
    Object.entries(row.cpuMicros)
      .map(([name, micros]) => `${name} ${shorten(Math.round(micros))}`)
      .join(', ');
  const hasCpu = rows.some((row) => Object.keys(row.cpuMicros).length > 1);
  const line = (row: Row): string[] => [
    row.what,
    ...conditions.map((name) => cell(row.conditions[name])),
    ...figures.map((name) => cell(row.figures[name])),
    ...(hasCpu ? [byProcess(row)] : []),
  ];
  const headings = ['', ...conditions, ...figures.map((name) => HEADINGS[name] ?? name)];
  return alignColumns([[...headings, ...(hasCpu ? ['µs by process'] : [])], ...rows.map(line)]);
}

export function printTable(rows: readonly Row[], paint: Paint): string {
  const [head = '', ...lines] = tableOf(rows);
  return [paint('bold', head), ...lines].join('\n');
}

export function printGoals(results: readonly GoalResult[], paint: Paint): string {
  const lines = alignColumns(results.map(({ name, wanted, measured }) => [name, wanted, shorten(measured)]));
  return results
    .map(({ met }, index) => `${lines[index]}  ${met ? paint('green', 'met') : paint('red', 'missed')}`)
    .join('\n');
}
