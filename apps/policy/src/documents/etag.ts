import { createHash } from 'node:crypto';
import { ProblemError } from '@countersign/platform';

/** JSON with the members of objects in order, so that a document is the same however its fields are arranged. */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(',')}}`;
}

/** SHA-256 of a value's canonical JSON, base64url. */
export const contentHash = (value: unknown): string =>
  createHash('sha256').update(canonicalJson(value)).digest('base64url');

/** The strong entity tag (RFC 9110 §8.8.3) of a document. */
export const etagOf = (raw: unknown): string => `"${contentHash(raw)}"`;

export interface Preconditions {
  /** `If-Match` (RFC 9110 §13.1.1). */
  ifMatch: string | undefined;
  /** `If-None-Match` (RFC 9110 §13.1.2). */
  ifNoneMatch: string | undefined;
}

const lists = (header: string, etag: string | null): boolean =>
  etag !== null &&
  (header.trim() === '*' ||
    header
      .split(',')
      .map((tag) => tag.trim())
      .includes(etag));

/**
 * Holds a request to the state it expects; `etag` is null where there is no such document.
 * @throws ProblemError precondition-failed
 */
export function requirePreconditions({ ifMatch, ifNoneMatch }: Preconditions, etag: string | null): void {
  if (ifMatch !== undefined && !lists(ifMatch, etag)) {
    throw new ProblemError('precondition-failed', 'The document is not the one that If-Match names.');
  }
  if (ifNoneMatch !== undefined && lists(ifNoneMatch, etag)) {
    throw new ProblemError('precondition-failed', 'The document is one that If-None-Match excludes.');
  }
}
