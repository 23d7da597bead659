import type { Conditions, Row } from './figures';

/** What a figure is to be. */
interface Goal {
  name: string;
  part: string;
  what?: string;
  /** All of these, and none of those with `undefined`. */
  where: Record<string, Conditions[string] | undefined>;
  figure: string;
  least?: number;
  most?: number;
}

export interface GoalResult {
  name: string;
  wanted: string;
  measured: number;
  met: boolean;
}

const FOUR = { part: 'us', what: 'four processes' };
const USUAL = { concurrency: 32, roles: 1_000, webhooks: undefined };
const ALONE = { ...USUAL, audit: 'frozen' };
const WRITING = { ...USUAL, audit: undefined };
const ONE = { ...USUAL, concurrency: 1 };
const exchange = 'four processes, concurrency 32';

/** Of counts a part more than what was counted, so that an accident is seen; those at 32 depend on who meets whom. */
const COUNTS: readonly [what: string, concurrency: number, most: number][] = [
  ['messages to NATS', 1, 5],
  ['messages to NATS', 32, 1],
  ['reads of Redis', 1, 1.2],
  ['reads of Redis', 32, 0.5],
  ['KB allocated by exchange', 32, 120],
  ['KB allocated by policy', 32, 50],
  ['KB allocated by audit', 32, 120],
];

export const GOALS: readonly Goal[] = [
  ...COUNTS.map(([what, concurrency, most]) => ({
    part: 'counts',
    what,
    name: `${what} for one exchange, concurrency ${concurrency}`,
    where: { concurrency },
    figure: 'each',
    most,
  })),
  { ...FOUR, name: `${exchange}: to the peer`, where: ALONE, figure: 'toPeer', least: 1.6 },
  { ...FOUR, name: `${exchange}: to the floor`, where: ALONE, figure: 'toFloor', least: 0.8 },
  { ...FOUR, name: `${exchange}: µs of CPU`, where: ALONE, figure: 'cpuMicros', most: 220 },
  { ...FOUR, name: `${exchange}: p99 in ms`, where: ALONE, figure: 'p99Ms', most: 15 },
  { ...FOUR, name: `${exchange}, audit writing: to the peer`, where: WRITING, figure: 'toPeer', least: 1.3 },
  { ...FOUR, name: `${exchange}, audit writing: µs of CPU`, where: WRITING, figure: 'cpuMicros', most: 220 },
  { ...FOUR, name: `${exchange}, audit writing: p99 in ms`, where: WRITING, figure: 'p99Ms', most: 15 },
  {
    ...FOUR,
    name: 'four processes, concurrency 1: p50 in ms',
    where: { ...ONE, audit: 'frozen' },
    figure: 'p50Ms',
    most: 1.2,
  },
  {
    ...FOUR,
    name: 'four processes, concurrency 1, audit writing: p50 in ms',
    where: { ...ONE, audit: undefined },
    figure: 'p50Ms',
    most: 1.2,
  },
  {
    part: 'us',
    what: 'embedded mode',
    name: 'embedded mode, concurrency 32: to the peer',
    where: USUAL,
    figure: 'toPeer',
    least: 0.8,
  },
  ...[
    { what: 'evaluation', name: 'evaluations a second, one a request' },
    { what: 'evaluations, 100 each', name: 'evaluations a second, 100 a request' },
  ].map((own) => ({ ...own, part: 'decisions', where: { concurrency: 32 }, figure: 'rate', least: 8_000 })),
  { part: 'start', name: 'warm start of the embedded mode in s', where: { start: 'warm' }, figure: 'seconds', most: 2 },
  ...['exchange', 'discovery', 'policy', 'audit'].map((what) => ({
    part: 'memory',
    what,
    name: `memory of ${what} in MB`,
    where: {},
    figure: 'memoryMb',
    most: 200,
  })),
];

const fits = ({ part, what, where }: Goal, row: Row): boolean =>
  row.part === part &&
  (what === undefined || row.what === what) &&
  Object.entries(where).every(([name, value]) => row.conditions[name] === value);

/** Goals of which something was measured; where several rows fit, the last counts. */
export const judge = (rows: readonly Row[], goals: readonly Goal[] = GOALS): GoalResult[] =>
  goals.flatMap((goal) => {
    const measured = rows.findLast((row) => fits(goal, row))?.figures[goal.figure];
    if (measured === undefined) return [];
    const { name, least = -Infinity, most = Infinity } = goal;
    const wanted = goal.least === undefined ? `at most ${most}` : `at least ${least}`;
    return [{ name, wanted, measured, met: measured >= least && measured <= most }];
  });
