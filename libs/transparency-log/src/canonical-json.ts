/**
 * The one text of a JSON value (RFC 8785): members sorted by UTF-16 code units, no white space, numbers and strings as
 * ECMAScript writes them. Throws TypeError for what is no JSON value: undefined, NaN, lone surrogates.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value);
  if (typeof value === 'string' && !/\p{Surrogate}/u.test(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object') return canonicalObject(value as Record<string, unknown>);
  throw new TypeError(`no JSON value: ${typeof value}`);
}

function canonicalObject(object: Record<string, unknown>): string {
  const names = Object.keys(object).sort();
  return `{${names.map((name) => `${canonicalJson(name)}:${canonicalJson(object[name])}`).join(',')}}`;
}
