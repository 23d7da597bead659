import { hash } from 'node:crypto';
import { canonicalJson } from './canonical-json';

/** With it, whoever holds the values of an entry can compute what stands for them in the log. */
export interface Commitments {
  /** Random and secret as long as the values are: values that can be guessed could be tried out. */
  salt: Uint8Array;
  /** JSON Pointers (RFC 6901) of the members; their names have no `~` and no `/`. */
  members: readonly string[];
}

/**
 * The value with each of these members replaced by what binds us to it and says nothing of it: SHA-256 over the salt
 * and the canonical JSON of `[pointer, value]`, in base64url. A text becomes `sha256:…`, anything else `{ "sha256": … }`,
 * so that it keeps its type. What is null or not there stays as it is.
 */
export const withCommitments = <T extends object>(value: T, commitments: Commitments): T =>
  commit(value, commitments).committed;

/** The same, and of each member that was replaced its JSON Pointer and canonical JSON. */
export function commit<T extends object>(
  value: T,
  { salt, members }: Commitments,
): { committed: T; replaced: [pointer: string, json: string][] } {
  let committed = value;
  const replaced: [string, string][] = [];
  for (const pointer of members) {
    const member = memberAt(committed, pointer);
    if (member === undefined || member === null) continue;
    const json = canonicalJson(member);
    const bound = Buffer.concat([salt, Buffer.from(`[${canonicalJson(pointer)},${json}]`)]);
    const sha256 = hash('sha256', bound, 'base64url');
    committed = withMember(committed, pointer, typeof member === 'string' ? `sha256:${sha256}` : { sha256 });
    replaced.push([pointer, json]);
  }
  return { committed, replaced };
}

/** Undefined where there is none. */
export function memberAt(value: unknown, pointer: string): unknown {
  let member = value;
  for (const name of namesOf(pointer)) {
    if (!isObject(member) || !Object.hasOwn(member, name)) return undefined;
    member = member[name];
  }
  return member;
}

/** A copy with another member in that place; what the place is in has to be there. */
export const withMember = <T extends object>(value: T, pointer: string, member: unknown): T =>
  withMemberAt(value, namesOf(pointer), member) as T;

function withMemberAt(value: unknown, [name, ...rest]: string[], member: unknown): unknown {
  if (name === undefined) return member;
  return isObject(value) ? { ...value, [name]: withMemberAt(value[name], rest, member) } : value;
}

const namesOf = (pointer: string): string[] => pointer.split('/').slice(1);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
