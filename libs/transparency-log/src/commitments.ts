import { createHash } from 'node:crypto';
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
export function withCommitments<T extends object>(value: T, { salt, members }: Commitments): T {
  return members.reduce((whole, pointer) => {
    const member = memberAt(whole, pointer);
    if (member === undefined || member === null) return whole;
    return withMember(whole, pointer, commitmentTo(salt, pointer, member));
  }, value);
}

function commitmentTo(salt: Uint8Array, pointer: string, member: unknown): string | { sha256: string } {
  const text = canonicalJson([pointer, member]);
  const sha256 = createHash('sha256').update(salt).update(text).digest('base64url');
  return typeof member === 'string' ? `sha256:${sha256}` : { sha256 };
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
  replaced(value, namesOf(pointer), member) as T;

function replaced(value: unknown, [name, ...rest]: string[], member: unknown): unknown {
  if (name === undefined) return member;
  return isObject(value) ? { ...value, [name]: replaced(value[name], rest, member) } : value;
}

const namesOf = (pointer: string): string[] => pointer.split('/').slice(1);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
