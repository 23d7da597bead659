import type { LocalIssuer } from '@countersign/testing';
import { cpuOf, medians, ratio, total, type Conditions, type Figures, type Row, type Sample } from './figures';
import type { Load } from './http-load';
import { measure } from './measure';
import type { Options } from './options';
import { mintTokens } from './subject-tokens';
import type { ExchangeTarget } from './target';

/** What every part of a run needs. */
export interface Bench {
  issuer: LocalIssuer;
  options: Options;
  /** A line about what is being done. */
  say: (text: string) => void;
}

/** What others are compared with, by the name of the figure that says so. */
export type References = Record<'toPeer' | 'toFloor', ExchangeTarget>;

export interface Comparison {
  part: string;
  targets: readonly ExchangeTarget[];
  references: Partial<References>;
  roles: number;
  concurrency: number;
  /** More conditions for the table. */
  more?: Conditions;
}

/** One at a time takes longer, and needs fewer for its percentiles. */
const countFor = ({ requests }: Options, concurrency: number): number =>
  concurrency === 1 ? Math.ceil(requests / 4) : requests;

/** Rounds of the same subject tokens on each target in turn. */
export async function compare(bench: Bench, comparison: Comparison): Promise<Row[]> {
  const { part, targets, references, roles, concurrency, more = {} } = comparison;
  const { issuer, options } = bench;
  const all = [...new Set([...Object.values(references), ...targets])];
  const samples = new Map<ExchangeTarget, Sample[]>(all.map((target) => [target, []]));
  const conditions = { concurrency, roles, ...more };
  bench.say(`${all.map(({ name }) => name).join(', ')}: ${describe(conditions)}`);
  for (let round = 0; round < options.rounds; round++) {
    const tokens = await mintTokens(issuer, countFor(options, concurrency), { roles });
    for (const target of all) {
      const request = (number: number): string => target.exchangeRequest(tokens[number] ?? '');
      samples.get(target)?.push(await measure(target, { count: tokens.length, concurrency, request }));
    }
  }
  const samplesOf = (target: ExchangeTarget | undefined): Sample[] => (target && samples.get(target)) ?? [];
  const { toPeer: peer } = references;
  const ratios = (own: Sample[]): Figures => ({
    ...mapValues(references, (reference) => ratio(own, samplesOf(reference))),
    ...(peer === undefined ? {} : { cpuToPeer: ratio(own, samplesOf(peer), cpuOf) }),
  });
  return all.map((target) => {
    const own = samplesOf(target);
    return row({ part, what: target.name, conditions }, own, ratios(own));
  });
}

export function row(what: Pick<Row, 'part' | 'what' | 'conditions'>, samples: Sample[], more: Figures = {}): Row {
  const cpuMicros = medians(samples.map((one) => one.cpuMicros));
  const figures = medians(samples.map((one) => one.figures));
  return { ...what, figures: { ...figures, cpuMicros: total(cpuMicros), ...more }, cpuMicros };
}

const mapValues = <In, Out>(values: Record<string, In>, map: (value: In) => Out): Record<string, Out> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value)]));

const describe = (conditions: Conditions): string =>
  Object.entries(conditions)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

/** Node compiles what runs often, for the last time after some ten thousand requests: before that, figures fall on and on. */
export const WARM_UP_ROUNDS = 4;

/** Code is compiled, caches are filled, connections are open. */
export async function warmUp({ issuer, options }: Bench, targets: readonly ExchangeTarget[], roles: number) {
  const count = WARM_UP_ROUNDS * options.requests;
  for (const target of targets)
    await measure(target, await exchangeLoad(issuer, target, { count, concurrency: 32, roles }));
}

/** As many exchanges, each of a subject token of its own. */
export async function exchangeLoad(
  issuer: LocalIssuer,
  target: ExchangeTarget,
  { count, concurrency, roles }: { count: number; concurrency: number; roles: number },
): Promise<Load> {
  const tokens = await mintTokens(issuer, count, { roles });
  return { url: target.url, count, concurrency, request: (number) => target.exchangeRequest(tokens[number] ?? '') };
}
