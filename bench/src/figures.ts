/** Under which conditions, by name: `{ concurrency: 32, roles: 1000 }`. */
export type Conditions = Record<string, string | number>;

/** What was measured, by name: rates a second, times in milliseconds, ratios to other rows of the same run. */
export type Figures = Record<string, number>;

/** One line of the table. */
export interface Row {
  part: string;
  what: string;
  conditions: Conditions;
  figures: Figures;
  /** Microseconds of CPU a request, by process. */
  cpuMicros: Record<string, number>;
}

/** One round of load on one target. */
export interface Sample {
  figures: Figures & { rate: number };
  cpuMicros: Record<string, number>;
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low = NaN, high = NaN] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return (low + high) / 2;
};

/** Of each member its median; only of members that every record has. */
export function medians<Name extends string>(records: readonly Record<Name, number>[]): Record<Name, number> {
  const names = Object.keys(records[0] ?? {}) as Name[];
  return Object.fromEntries(names.map((name) => [name, median(records.map((record) => record[name]))])) as Record<
    Name,
    number
  >;
}

const rateOf = ({ figures }: Sample): number => figures.rate;

/** How two compare that were measured in turn: each round is compared with itself, since machines have moods. */
export const ratio = (ours: readonly Sample[], others: readonly Sample[], of = rateOf): number =>
  median(
    ours.map((own, round) => {
      const other = others[round];
      return other === undefined ? NaN : of(own) / of(other);
    }),
  );

export const total = (byProcess: Record<string, number>): number =>
  Object.values(byProcess).reduce((sum, one) => sum + one, 0);

/** Microseconds of CPU a request, over all processes. */
export const cpuOf = ({ cpuMicros }: Sample): number => total(cpuMicros);
