import { TokenRefusalReason } from './refusal-reasons';

export type JsonRefusal = Extract<TokenRefusalReason, 'json' | `json_${string}` | 'bom' | 'utf8'>;

export type StrictJsonResult = { ok: true; value: Record<string, unknown> } | { ok: false; reason: JsonRefusal };

export interface JsonLimits {
  /** Nested objects and arrays, the outermost included. */
  depth: number;
  /** Members of all objects together. */
  members: number;
}

interface Scan {
  text: string;
  at: number;
  depth: number;
  members: number;
  limits: JsonLimits;
}

type Scanned = JsonRefusal | null;

const whitespace: ReadonlySet<string | undefined> = new Set([' ', '\t', '\n', '\r']);
const stringLiteral = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const scalarLiteral = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// With the u flag a surrogate only matches where it has no partner.
const loneSurrogate = /[\ud800-\udfff]/u;
const ascii = /^[\0-\x7f]*$/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads one JSON object and nothing else: what different JSON readers understand differently (duplicate
 * members, a BOM, broken UTF-8, lone surrogates) or what harms later readers (members named like those of
 * Object.prototype, deep nesting) is refused. JSON.parse alone lets all of it through (RFC 8259 section 4,
 * RFC 8725 section 2.4).
 */
export function parseStrictJson(bytes: Uint8Array, limits: JsonLimits): StrictJsonResult {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return { ok: false, reason: 'bom' };
  const text = decodeUtf8(bytes);
  if (text === null) return { ok: false, reason: 'utf8' };
  const plain = parsePlain(text, limits);
  if (plain !== null) return { ok: true, value: plain };
  const refusal = refuseJson(text, limits);
  if (refusal !== null) return { ok: false, reason: refusal };
  const value: unknown = JSON.parse(text);
  return isObject(value) ? { ok: true, value } : { ok: false, reason: 'json_not_object' };
}

/** Why a JSON text of any kind is refused under the same rules; null when JSON.parse may read it. */
export const refuseJson = (text: string, limits: JsonLimits): JsonRefusal | null =>
  loneSurrogate.test(text) ? 'utf8' : scanDocument({ text, at: 0, depth: 0, members: 0, limits });

/**
 * The object, when it is written as JSON.stringify would write it: then nothing was repeated, and no number is beyond a
 * double. So most tokens are written, and reading them twice costs less than one scan. Null: look closer.
 */
function parsePlain(text: string, limits: JsonLimits): Record<string, unknown> | null {
  // Escapes can write a lone surrogate.
  if (text.includes('\\u')) return null;
  try {
    const value: unknown = JSON.parse(text);
    const members = { left: limits.members };
    if (!isObject(value) || JSON.stringify(value) !== text || !isWithin(value, limits.depth, members)) return null;
    return value;
  } catch {
    return null;
  }
}

function isWithin(value: unknown, depth: number, members: { left: number }): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (depth === 0) return false;
  if (Array.isArray(value)) return value.every((item) => isWithin(item, depth - 1, members));
  return Object.keys(value).every(
    (name) =>
      !(name in Object.prototype) &&
      members.left-- > 0 &&
      isWithin(value[name as keyof typeof value], depth - 1, members),
  );
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function decodeUtf8(bytes: Uint8Array): string | null {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  if (ascii.test(text)) return text;
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
}

function scanDocument(scan: Scan): Scanned {
  skipWhitespace(scan);
  if (scan.at === scan.text.length) return 'json_not_object';
  const refusal = scanValue(scan);
  if (refusal !== null) return refusal;
  skipWhitespace(scan);
  return scan.at === scan.text.length ? null : 'json';
}

function scanValue(scan: Scan): Scanned {
  const first = scan.text[scan.at];
  if (first === '{') return scanNested(scan, '}', scanMember(new Set()));
  if (first === '[') return scanNested(scan, ']', scanValue);
  if (first === '"') return typeof scanString(scan) === 'string' ? null : stringRefusal(scan);
  return scanScalar(scan);
}

/**
 * JSON.parse makes Infinity of a number beyond a double, which is null for the next reader. At the top such a
 * number is left to the rules of the claim, so that an absurd time is refused as what it is.
 */
function scanScalar(scan: Scan): Scanned {
  const literal = take(scan, scalarLiteral);
  if (literal === null) return 'json';
  return scan.depth > 1 && Math.abs(Number(literal)) === Infinity ? 'json' : null;
}

/** An object or an array: items between brackets, separated by commas. */
function scanNested(scan: Scan, close: string, scanItem: (scan: Scan) => Scanned): Scanned {
  if (++scan.depth > scan.limits.depth) return 'json_depth';
  scan.at++;
  skipWhitespace(scan);
  let next = scan.text[scan.at] === close ? close : ',';
  if (next === close) scan.at++;
  while (next === ',') {
    skipWhitespace(scan);
    const refusal = scanItem(scan);
    if (refusal !== null) return refusal;
    skipWhitespace(scan);
    next = scan.text[scan.at++] ?? '';
  }
  scan.depth--;
  return next === close ? null : 'json';
}

function scanMember(seen: Set<string>): (scan: Scan) => Scanned {
  return (scan) => {
    const name = scanString(scan);
    if (name === null) return stringRefusal(scan);
    if (name in Object.prototype) return 'json_proto';
    if (seen.has(name)) return 'json_duplicate_member';
    if (++scan.members > scan.limits.members) return 'json_members';
    seen.add(name);
    skipWhitespace(scan);
    if (scan.text[scan.at] !== ':') return 'json';
    scan.at++;
    skipWhitespace(scan);
    return scanValue(scan);
  };
}

/** The unescaped string, so that escaped twins of a member name are seen as the duplicates they are. */
function scanString(scan: Scan): string | null {
  const start = scan.at;
  const literal = take(scan, stringLiteral);
  if (literal === null) return null;
  // Only an escape can still write a lone surrogate; most strings hold none, and need no second reading.
  if (!literal.includes('\\')) return literal.slice(1, -1);
  const value = JSON.parse(literal) as string;
  if (!loneSurrogate.test(value)) return value;
  scan.at = start;
  return null;
}

/** Why scanString refused what begins here. */
function stringRefusal(scan: Scan): JsonRefusal {
  return take(scan, stringLiteral) === null ? 'json' : 'utf8';
}

function skipWhitespace(scan: Scan): void {
  while (whitespace.has(scan.text[scan.at])) scan.at++;
}

function take(scan: Scan, pattern: RegExp): string | null {
  const start = scan.at;
  pattern.lastIndex = start;
  if (!pattern.test(scan.text)) return null;
  scan.at = pattern.lastIndex;
  return scan.text.slice(start, scan.at);
}
