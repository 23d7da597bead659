import { parseArgs } from 'node:util';

export const PARTS = ['counts', 'floors', 'peer', 'us', 'decisions', 'start', 'scale', 'memory'] as const;
export type PartName = (typeof PARTS)[number];

export interface Options {
  parts: readonly PartName[];
  /** Requests of one round on one target. */
  requests: number;
  rounds: number;
  /** How many Roles there are, one after the other. */
  roles: readonly number[];
  /** Exchanges before memory is looked at. */
  exchanges: number;
  json: string;
  /** End with 1 when a target is missed. */
  check: boolean;
}

const FULL = { requests: 4_000, rounds: 3, roles: [10, 1_000, 100_000], exchanges: 100_000 };
const QUICK = { requests: 1_000, rounds: 1, roles: [10, 1_000], exchanges: 5_000 };

export const USAGE = `npm run bench [${PARTS.join('|')} …] [-- OPTION …]
  --quick        a few minutes instead of an hour: fewer requests, rounds and Roles
  --requests N   of one round on one target
  --rounds N     the median counts
  --exchanges N  before memory is looked at
  --json FILE    where the figures go besides
  --check        end with 1 when a target is missed`;

/** @throws Error that says what is wrong with the arguments */
export function parseOptions(args: string[]): Options {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      requests: { type: 'string' },
      rounds: { type: 'string' },
      exchanges: { type: 'string' },
      json: { type: 'string', default: '.countersign/bench.json' },
    },
  });
  const unknown = positionals.filter((name) => !PARTS.includes(name as PartName));
  if (unknown.length > 0) throw new Error(`no such part: ${unknown.join(', ')}`);
  const sizes = values.quick ? QUICK : FULL;
  return {
    parts: positionals.length === 0 ? PARTS : PARTS.filter((name) => positionals.includes(name)),
    ...sizes,
    requests: count('requests', values.requests, sizes.requests),
    rounds: count('rounds', values.rounds, sizes.rounds),
    exchanges: count('exchanges', values.exchanges, sizes.exchanges),
    json: values.json,
    check: values.check,
  };
}

function count(name: string, given: string | undefined, otherwise: number): number {
  if (given === undefined) return otherwise;
  if (!/^[1-9]\d{0,6}$/.test(given)) throw new Error(`--${name}: a number from 1 to 9999999, not ${given}`);
  return Number(given);
}
