import { resolveKey, type AttributeKey, type Attributes } from './attributes';
import type { Check } from './conditions';
import { isPin, type CompiledRole } from './compile-role';
import { eachInSteps, type Steps } from './steps';

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
  /** Roles that ask for `jwt:groups`. */
  groupReaders: readonly CompiledRole[];
}

/** Roles under the values of one pin. */
interface FiledRoles {
  roles: ReadonlySet<CompiledRole>;
  buckets: ReadonlyMap<string, Bucket>;
}

export interface RoleIndex {
  /** Roles that may match: those found by a pinned value, and those that pin nothing but the issuer. */
  candidates(pin: string, attributes: Attributes): CompiledRole[];
  /** Whether a role under this pin asks for `jwt:groups`. */
  readsGroups(pin: string): boolean;
  /** Most of the roles, as they were when all were filed together; those that came later lie beside them. */
  readonly filed: FiledRoles;
}

type PinKey = 'jwt:iss' | 'subject:type';

/** Of the roles filed together, how many may have come or gone until all are filed again: one in so many. */
const REFILED_AT = 8;

/**
 * Indexes roles by the values of one pin (`jwt:iss` or `subject:type`), and under it by the literal that the
 * fewest roles share, so that a decision looks at the few roles that can match and never at all of them. With the
 * index `before`, only roles that are not in that one are filed.
 */
export function* indexRoles(
  roles: ReadonlyMap<string, CompiledRole>,
  pin: PinKey,
  before?: RoleIndex,
): Steps<RoleIndex> {
  const pinned: CompiledRole[] = [];
  yield* eachInSteps(roles.values(), (role) => void (pinsOf(role, pin).length > 0 && pinned.push(role)));
  if (!before) return layered(yield* fileRoles(pinned, pin), nothingFiled, roles);
  const { filed } = before;
  const fresh: CompiledRole[] = [];
  yield* eachInSteps(pinned, (role) => void (filed.roles.has(role) || fresh.push(role)));
  const gone = filed.roles.size - (pinned.length - fresh.length);
  if ((fresh.length + gone) * REFILED_AT > filed.roles.size) return yield* indexRoles(roles, pin);
  return layered(filed, yield* fileRoles(fresh, pin), roles);
}

const nothingFiled: FiledRoles = { roles: new Set(), buckets: new Map() };

/** Of what was filed, only roles that are still the same count. */
function layered(filed: FiledRoles, later: FiledRoles, current: ReadonlyMap<string, CompiledRole>): RoleIndex {
  const isCurrent = (role: CompiledRole): boolean => current.get(role.name) === role;
  return {
    filed,
    candidates: (pin, attributes) => [
      ...findCandidates(filed.buckets.get(pin), attributes).filter(isCurrent),
      ...findCandidates(later.buckets.get(pin), attributes),
    ],
    readsGroups: (pin) => [filed, later].some(({ buckets }) => buckets.get(pin)?.groupReaders.some(isCurrent) ?? false),
  };
}

const pinsOf = (role: CompiledRole, pin: PinKey): readonly string[] =>
  pin === 'jwt:iss' ? role.issuers : role.subjectTypes;

function* fileRoles(roles: readonly CompiledRole[], pin: PinKey): Steps<FiledRoles> {
  const grouped = new Map<string, CompiledRole[]>();
  yield* eachInSteps(roles, (role) => {
    for (const value of eachOnce(pinsOf(role, pin))) append(grouped, value, role);
  });
  const buckets = new Map<string, Bucket>();
  for (const [value, members] of grouped) {
    buckets.set(value, yield* buildBucket(members, pin));
    yield;
  }
  return { roles: new Set(roles), buckets };
}

function* buildBucket(roles: readonly CompiledRole[], pin: PinKey): Steps<Bucket> {
  const counts = yield* countHandles(roles, pin);
  const lookups = new Map<string, Lookup>();
  const rest: CompiledRole[] = [];
  yield* eachInSteps(roles, (role) => {
    const best = mostSelective(handlesOf(role, pin), counts);
    if (best) enter(lookups, best, role);
    else rest.push(role);
  });
  return { lookups: [...lookups.values()].map(withLengths), rest, groupReaders: roles.filter(readsGroups) };
}

/** By kind and key, then by value: how many roles can be found by it. */
type Counts = ReadonlyMap<string, ReadonlyMap<string, number>>;

const countKey = ({ kind, key }: Handle): string => `${kind} ${key}`;

/** The handles themselves are not kept: among many roles they would take more memory than the index. */
function* countHandles(roles: readonly CompiledRole[], pin: PinKey): Steps<Counts> {
  const counts = new Map<string, Map<string, number>>();
  yield* eachInSteps(roles, (role) => {
    for (const handle of handlesOf(role, pin)) countHandle(counts, handle);
  });
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

const handlesOf = (role: CompiledRole, pin: PinKey): Handle[] =>
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
