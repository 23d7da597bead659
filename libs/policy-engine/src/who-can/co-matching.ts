import { isPin, type CompiledRole } from '../compile-role';

/** Pairs that are looked at closely; beyond them roles of one issuer count as matching together. */
const CLOSE_LOOKS = 200_000;
/** Others that are named for one role. */
const MOST = 20;

type Pins = ReadonlyMap<string, ReadonlySet<string>>;

/** Which of some roles may match the same subject as another role: those that nothing pins apart. */
export class CoMatching {
  private readonly byPin = new Map<string, CompiledRole[]>();
  private readonly pins = new Map<CompiledRole, Pins>();
  private looks = 0;

  constructor(roles: readonly CompiledRole[]) {
    for (const role of roles) {
      for (const pin of pinsOf(role)) append(this.byPin, pin, role);
    }
  }

  /** Without the role itself; at most 20. */
  with(role: CompiledRole): CompiledRole[] {
    const found = new Set<CompiledRole>();
    for (const pin of pinsOf(role)) {
      for (const other of this.byPin.get(pin) ?? []) {
        if (found.size >= MOST) return [...found];
        if (other !== role && !this.areApart(role, other)) found.add(other);
      }
    }
    return [...found];
  }

  /** Both ask one key for literal values, and none of them is the same. */
  private areApart(one: CompiledRole, other: CompiledRole): boolean {
    if (this.looks >= CLOSE_LOOKS) return false;
    this.looks += 1;
    const others = this.literalsOf(other);
    return [...this.literalsOf(one)].some(([key, values]) => {
      const wanted = others.get(key);
      return wanted !== undefined && ![...values].some((value) => wanted.has(value));
    });
  }

  private literalsOf(role: CompiledRole): Pins {
    const known = this.pins.get(role);
    if (known !== undefined) return known;
    const pins = new Map(role.checks.filter(isPin).map(({ key, values }) => [key, new Set(values)]));
    this.pins.set(role, pins);
    return pins;
  }
}

/** Adds to the list under a key. */
export function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

const pinsOf = ({ issuers, subjectTypes }: CompiledRole): string[] => [
  ...issuers.map((iss) => `iss ${iss}`),
  ...subjectTypes.map((type) => `type ${type}`),
];
