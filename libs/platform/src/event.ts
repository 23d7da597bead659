import type { CloudEvent, EventType } from '@countersign/contracts';
import { looksLikeToken, scrubTokens } from '@countersign/tokens';
import { pooledRandom } from './pooled-random';
import { traceparent, type Trace } from './trace';

const MAX_DEPTH = 8;
const MAX_MEMBERS = 100;
const MAX_TEXT = 2_048;
/** UTF-8 bytes of JSON that the data of one event may take; with its frame the event stays under 20 KB. */
const DATA_BYTES = 16_000;
const SUBJECT_BYTES = 1_024;
const NAME_BYTES = 256;
/** What a member takes beside its name and text: any number, punctuation, the mark of a cut. */
const MEMBER_BYTES = 24;
/** One UTF-16 unit takes at most this, as a control character does. */
const MOST_BYTES_A_UNIT = 6;

interface Budget {
  left: number;
  /** Whether anything was not kept as it was. */
  changed: boolean;
}

const budgetOf = (left: number): Budget => ({ left, changed: false });

/** Visible ASCII and spaces but for what JSON escapes: as long in JSON as it is here, and nothing to mend. */
const PLAIN = /^[ !#-[\]-~]*$/;
const PLAIN_JSON = /^[ -[\]-~]*$/;

const bytesOf = (text: string): number =>
  PLAIN.test(text) ? text.length + 2 : Buffer.byteLength(JSON.stringify(text));

/** NUL and lone surrogates break jsonb; long text breaks budgets; tokens have no place in a record. */
function sanitizeText(text: string, budget: Budget): string {
  const isShort = text.length <= MAX_TEXT && text.length + 2 <= budget.left;
  if (!isShort || !PLAIN.test(text) || looksLikeToken(text)) return mendText(text, budget);
  budget.left -= text.length + 2;
  return text;
}

function mendText(text: string, budget: Budget): string {
  const clean = (part: string): string => part.replace(/\p{Surrogate}/gu, '\ufffd').replaceAll('\u0000', '\ufffd');
  const capped = clean(scrubTokens(text.slice(0, MAX_TEXT)));
  const bytes = bytesOf(capped);
  const fits = bytes <= budget.left;
  const kept = fits ? capped : clean(capped.slice(0, Math.max(0, Math.floor(budget.left / MOST_BYTES_A_UNIT))));
  budget.left -= fits ? bytes : bytesOf(kept);
  const result = fits && text.length <= MAX_TEXT ? kept : `${kept}…`;
  budget.changed ||= result !== text;
  return result;
}

function sanitizeName(name: string, budget: Budget): string {
  const own = budgetOf(NAME_BYTES);
  const clean = sanitizeText(name, own);
  budget.changed ||= own.changed;
  return clean;
}

/** Takes members while there is room; their sizes are charged before their values, so that no name is lost for a value. */
function withRoom<T>(members: T[], budget: Budget, charge: (member: T) => number): T[] {
  const kept: T[] = [];
  for (const member of members.slice(0, MAX_MEMBERS)) {
    if (budget.left <= 0) break;
    budget.left -= charge(member);
    kept.push(member);
  }
  budget.changed ||= kept.length < members.length;
  return kept;
}

function tooDeep(budget: Budget): string {
  budget.changed = true;
  return '…';
}

/** What is cut keeps its type: readers of events have schemas. */
function sanitizeValue(value: unknown, depth: number, budget: Budget): unknown {
  if (typeof value === 'string') return sanitizeText(value, budget);
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value !== 'object' || value === null) return typeof value === 'boolean' ? value : null;
  if (depth >= MAX_DEPTH) return tooDeep(budget);
  if (Array.isArray(value)) {
    return withRoom(value, budget, () => MEMBER_BYTES).map((item) => sanitizeValue(item, depth + 1, budget));
  }
  const named = Object.entries(value).map(([name, item]) => [sanitizeName(name, budget), item] as const);
  const members = withRoom(named, budget, ([name]) => MEMBER_BYTES + bytesOf(name));
  return Object.fromEntries(members.map(([name, item]) => [name, sanitizeValue(item, depth + 1, budget)]));
}

/**
 * JSON-like data made fit to be stored: bounded in depth, members and size, valid Unicode, free of tokens. The
 * smallest members get their room first, so that a large one cannot crowd out another. `shortened` names those that
 * are not as they were: nobody may take them for the whole.
 */
function mendData(data: Record<string, unknown>): Record<string, unknown> {
  const members = Object.entries(data).map(([name, value]) => {
    return { name, value, ...within(value, DATA_BYTES) };
  });
  let left = DATA_BYTES;
  let waiting = members.length;
  for (const member of members.toSorted((a, b) => a.bytes - b.bytes)) {
    const share = Math.floor(left / waiting--);
    if (member.bytes > share) Object.assign(member, within(member.value, share));
    left -= Math.min(member.bytes, share);
  }
  const shortened = members.filter(({ changed }) => changed).map(({ name }) => name);
  const clean = Object.fromEntries(members.map((member) => [member.name, member.clean]));
  return shortened.length === 0 ? clean : { ...clean, shortened };
}

function within(value: unknown, most: number): { clean: unknown; changed: boolean; bytes: number } {
  const budget = budgetOf(most);
  const clean = sanitizeValue(value, 0, budget);
  return { clean, changed: budget.changed, bytes: most - budget.left };
}

/** Whether the data may stay as it is. One look at the whole text costs less than one at each of its parts. */
function isFit(data: Record<string, unknown>): boolean {
  if (!isBounded(data, MAX_DEPTH)) return false;
  const text = JSON.stringify(data);
  return text.length <= DATA_BYTES && PLAIN_JSON.test(text) && !looksLikeToken(text);
}

function isBounded(value: unknown, depth: number): boolean {
  if (typeof value === 'string') return value.length <= MAX_TEXT;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return typeof value === 'boolean' || value === null;
  // An array for each member, as Object.entries makes them, costs twice as much as the rest.
  const names = Object.keys(value);
  if (depth === 0 || names.length > MAX_MEMBERS) return false;
  return names.every((name) => name.length < NAME_BYTES && isBounded(value[name as keyof typeof value], depth - 1));
}

/**
 * A UUID version 7 (RFC 9562 §5.7): sorts by time. `random`: 16 bytes, of which 74 bits are taken; a hash of what it is
 * for makes the same one again.
 */
export function uuidV7(milliseconds: number, random: Buffer = pooledRandom(16)): string {
  const bytes = Buffer.from(random.subarray(0, 16));
  bytes.writeUIntBE(milliseconds, 0, 6);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x70, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

export interface EventInput {
  type: EventType;
  /** Our public URL. */
  source: string;
  /** Whom or what it is about; left out when unknown. */
  subject: string | null;
  data: Record<string, unknown>;
  trace: Trace;
}

/** The `subject` that an event has of such a one. */
export const subjectText = (subject: string): string => sanitizeText(subject, budgetOf(SUBJECT_BYTES));

/** Builds an audit event (CloudEvents 1.0), sanitised here and nowhere else. */
export function createEvent({ type, source, subject, data, trace }: EventInput): CloudEvent {
  const now = new Date();
  return {
    specversion: '1.0',
    id: uuidV7(now.getTime()),
    source,
    type,
    ...(subject === null ? {} : { subject: subjectText(subject) }),
    time: now.toISOString(),
    datacontenttype: 'application/json',
    traceparent: traceparent(trace),
    data: isFit(data) ? data : mendData(data),
  };
}
