/**
 * The one text of a JSON value (RFC 8785): members sorted by UTF-16 code units, no white space, numbers and strings as
 * ECMAScript writes them. Throws RangeError for what is no JSON value: undefined, NaN, lone surrogates.
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string') return canonicalText(value);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object') return canonicalObject(value as Record<string, unknown>);
  throw new RangeError(`no JSON value: ${typeof value}`);
}

/** What JSON may write otherwise than it is; to look for it costs less than to have it written. */
const SPECIAL = /["\\\u0000-\u001f\ud800-\udfff]/;

function canonicalText(value: string): string {
  if (!SPECIAL.test(value)) return `"${value}"`;
  if (/\p{Surrogate}/u.test(value)) throw new RangeError('no JSON value: a lone surrogate');
  return JSON.stringify(value);
}

function canonicalObject(object: Record<string, unknown>): string {
  let text = '';
  for (const name of Object.keys(object).sort()) {
    text += `${text === '' ? '{' : ','}${canonicalText(name)}:${canonicalJson(object[name])}`;
  }
  return text === '' ? '{}' : `${text}}`;
}
