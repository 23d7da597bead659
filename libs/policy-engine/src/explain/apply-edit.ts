import type { DocumentEdit } from './explanation';

/**
 * The document with one operation of a JSON Patch (RFC 6902) carried out; the one given stays as it is.
 * null when there is no such place in it.
 */
export function applyEdit<T>(document: T, edit: DocumentEdit): T | null {
  const tokens = edit.path.split('/').slice(1).map(unescape);
  return change(document, tokens, edit) as T | null;
}

const unescape = (token: string): string => token.replaceAll('~1', '/').replaceAll('~0', '~');

function change(value: unknown, [token, ...rest]: readonly string[], edit: DocumentEdit): unknown {
  if (typeof value !== 'object' || value === null || token === undefined) return null;
  if (rest.length === 0)
    return Array.isArray(value) ? changeList(value, token, edit) : changeMember(value, token, edit);
  if (!Object.hasOwn(value, token)) return null;
  const inner = change((value as Record<string, unknown>)[token], rest, edit);
  if (inner === null) return null;
  return Array.isArray(value) ? value.with(Number(token), inner) : { ...value, [token]: inner };
}

function changeMember(value: object, token: string, edit: DocumentEdit): unknown {
  if (edit.op !== 'add' && !Object.hasOwn(value, token)) return null;
  if (edit.op !== 'remove') return { ...value, [token]: edit.value };
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== token));
}

function changeList(list: readonly unknown[], token: string, { op, value }: DocumentEdit): unknown {
  if (token === '-') return op === 'add' ? [...list, value] : null;
  const index = /^(0|[1-9]\d*)$/.test(token) ? Number(token) : list.length;
  if (index >= list.length) return null;
  if (op === 'remove') return list.toSpliced(index, 1);
  return op === 'replace' ? list.with(index, value) : list.toSpliced(index, 0, value);
}
