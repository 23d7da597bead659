import { resolveKey, type AttributeKey, type Attributes } from './attributes';
import type { Check } from './conditions';
import { isPin, type CompiledRole } from './compile-role';

/** What a role can be found by: a value one of its keys must have, or must start with. */
interface Handle {
  key: string;
  attribute: AttributeKey;
  kind: 'exact' | 'prefix';
  values: readonly string[];
}

interface Lookup {
  attribute: AttributeKey;
  exact: Map<string, CompiledRole[]>;
  prefix: Map<string, CompiledRole[]>;
}

interface Bucket {
  lookups: readonly { lookup: Lookup; prefixLengths: readonly number[] }[];
  /** Roles that name nothing to find them by. */
  rest: readonly CompiledRole[];
  readsGroups: boolean;
}

export interface RoleIndex {
  /** Roles that may match: those found by a pinned value, and those that pin nothing but the issuer. */
  candidates(pin: string, attributes: Attributes): CompiledRole[];
  /** Whether a role under this pin asks for `jwt:groups`. */
  readsGroups(pin: string): boolean;
}

/**
 * Indexes roles by the values of one pin (`jwt:iss` or `subject:type`), and under it by the literal that the
 * fewest roles share, so that a decision looks at the few roles that can match and never at all of them.
 */
export function buildRoleIndex(roles: readonly CompiledRole[], pin: 'jwt:iss' | 'subject:type'): RoleIndex {
  const grouped = new Map<string, CompiledRole[]>();
  for (const role of roles) {
    const values = pin === 'jwt:iss' ? role.issuers : role.subjectTypes;
    for (const value of eachOnce(values)) append(grouped, value, role);
  }
  const buckets = new Map([...grouped].map(([value, members]) => [value, buildBucket(members, pin)]));
  return {
    candidates: (value, attributes) => findCandidates(buckets.get(value), attributes),
    readsGroups: (value) => buckets.get(value)?.readsGroups ?? false,
  };
}

function buildBucket(roles: readonly CompiledRole[], pin: string): Bucket {
  const counts = countHandles(roles, pin);
  const lookups = new Map<string, Lookup>();
  const rest: CompiledRole[] = [];
  for (const role of roles) {
    const best = mostSelective(handlesOf(role, pin), counts);
    if (best) enter(lookups, best, role);
    else rest.push(role);
  }
  return { lookups: [...lookups.values()].map(withLengths), rest, readsGroups: roles.some(readsGroups) };
}

/** By kind and key, then by value: how many roles can be found by it. */
type Counts = ReadonlyMap<string, ReadonlyMap<string, number>>;

const countKey = ({ kind, key }: Handle): string => `${kind} ${key}`;

/** The handles themselves are not kept: among many roles they would take more memory than the index. */
function countHandles(roles: readonly CompiledRole[], pin: string): Counts {
  const counts = new Map<string, Map<string, number>>();
  for (const role of roles) {
    for (const handle of handlesOf(role, pin)) countHandle(counts, handle);
  }
  return counts;
}

function countHandle(counts: Map<string, Map<string, number>>, handle: Handle): void {
  const key = countKey(handle);
  const ofKey = counts.get(key) ?? new Map<string, number>();
  if (ofKey.size === 0) counts.set(key, ofKey);
  for (const value of handle.values) ofKey.set(value, (ofKey.get(value) ?? 0) + 1);
}

const eachOnce = (values: readonly string[]): Iterable<string> => (values.length > 1 ? new Set(values) : values);

function append<K>(map: Map<K, CompiledRole[]>, key: K, role: CompiledRole): void {
  const list = map.get(key);
  if (list) list.push(role);
  else map.set(key, [role]);
}

const handlesOf = (role: CompiledRole, pin: string): Handle[] =>
  role.checks.filter((check) => check.key !== pin).flatMap((check) => handleOf(check) ?? []);

/** Only checks that fail on a missing value are handles; what depends on the request itself is none. */
function handleOf(check: Check): Handle | null {
  const { key, attribute, operator, values } = check;
  if (attribute.source === 'ctx') return null;
  if (isPin(check) || operator.name === 'ForAnyValue:StringEqual') return { key, attribute, kind: 'exact', values };
  if (operator.name !== 'StringLike') return null;
  const prefixes = values.map((value) => value.slice(0, value.search(/[*?]|$/)));
  return prefixes.includes('') ? null : { key, attribute, kind: 'prefix', values: prefixes };
}

function mostSelective(handles: readonly Handle[], counts: Counts): Handle | null {
  const load = (handle: Handle): number => {
    const ofKey = counts.get(countKey(handle));
    return handle.values.reduce((sum, value) => sum + (ofKey?.get(value) ?? 0), 0);
  };
  return handles.reduce<Handle | null>((best, next) => (best && load(best) <= load(next) ? best : next), null);
}

function enter(lookups: Map<string, Lookup>, handle: Handle, role: CompiledRole): void {
  const known = lookups.get(handle.key);
  const lookup: Lookup = known ?? { attribute: handle.attribute, exact: new Map(), prefix: new Map() };
  if (!known) lookups.set(handle.key, lookup);
  for (const value of eachOnce(handle.values)) append(lookup[handle.kind], value, role);
}

const withLengths = (lookup: Lookup) => ({
  lookup,
  prefixLengths: [...new Set([...lookup.prefix.keys()].map((prefix) => prefix.length))],
});

const readsGroups = (role: CompiledRole): boolean =>
  role.checks.some(({ attribute }) => attribute.source === 'jwt' && attribute.path[0] === 'groups');

function findCandidates(bucket: Bucket | undefined, attributes: Attributes): CompiledRole[] {
  if (!bucket) return [];
  const found = new Set(bucket.rest);
  for (const { lookup, prefixLengths } of bucket.lookups) {
    for (const value of texts(resolveKey(lookup.attribute, attributes))) {
      lookup.exact.get(value)?.forEach((role) => found.add(role));
      for (const length of prefixLengths) {
        lookup.prefix.get(value.slice(0, length))?.forEach((role) => found.add(role));
      }
    }
  }
  return [...found];
}

const texts = (value: unknown): string[] =>
  (Array.isArray(value) ? value : [value]).filter((item) => typeof item === 'string');
