/** Stands for any run of characters, the empty one too. */
const anyRun = -1;
/** Stands for exactly one character. */
const anyOne = -2;

/** Code points of literal text, `anyRun` and `anyOne`. */
export type Tokens = readonly number[];

/** What stands between two runs: literal text, or tokens where a search for text would find other characters, too. */
type Segment = string | Tokens;

export interface Program {
  /** What the text begins with. */
  head: Segment;
  /** What comes next in this order, with anything between. */
  middle: readonly Segment[];
  /** What the text ends with; null when the head is all of it. */
  tail: Segment | null;
}

/** The program of a text in which `*` is any run and `?` exactly one character. */
export const programOfText = (text: string): Program =>
  toProgram(text.split('*').map((part) => (isSearchable(part) ? part : tokenize(part))));

/** The program of tokens, some of which stand for literal `*` and `?`. */
export function programOfTokens(tokens: Tokens): Program {
  const segments: number[][] = [[]];
  for (const token of tokens) {
    if (token === anyRun) segments.push([]);
    else segments.at(-1)?.push(token);
  }
  return toProgram(segments);
}

function toProgram([head = '', ...rest]: readonly Segment[]): Program {
  const tail = rest.pop() ?? null;
  return { head, middle: rest.filter((segment) => segment.length > 0), tail };
}

/** Half of a pair would be found in the middle of a character. */
const isSearchable = (text: string): boolean => !/[?\p{Surrogate}]/u.test(text);

/** Text with `*` and `?` as tokens. */
export const tokenize = (text: string): number[] =>
  points(text).map((point) => (point === 0x2a ? anyRun : point === 0x3f ? anyOne : point));

/** Literal text as tokens. */
export const points = (text: string): number[] => Array.from(text, (character) => character.codePointAt(0) ?? 0);

/**
 * Whether the whole text matches. Both ends are fixed, and what comes between is taken where it first appears, which
 * leaves most room for the rest: nothing is ever tried twice, so that no claim makes a pattern slow.
 */
export function matchesProgram({ head, middle, tail }: Program, text: string): boolean {
  const start = endOfHead(head, text);
  if (text.length === 0 || start < 0) return false;
  if (tail === null) return start === text.length;
  const end = startOfTail(tail, text);
  let at = start;
  for (const segment of middle) {
    at = endOfFirst(segment, text, at);
    if (at < 0) return false;
  }
  return at <= end;
}

/** The place behind the segment at the beginning of the text; -1 when it begins otherwise. */
function endOfHead(segment: Segment, text: string): number {
  if (typeof segment === 'string') return text.startsWith(segment) ? segment.length : -1;
  let at = 0;
  for (const token of segment) {
    const point = text.codePointAt(at);
    if (point === undefined || (token !== anyOne && token !== point)) return -1;
    at += width(point);
  }
  return at;
}

/** The place of the segment at the end of the text; -1 when it ends otherwise. */
function startOfTail(segment: Segment, text: string): number {
  let at = text.length;
  if (typeof segment === 'string') return text.endsWith(segment) ? at - segment.length : -1;
  for (let index = segment.length - 1; index >= 0; index -= 1) {
    const point = pointBefore(text, at);
    if (point === undefined || (segment[index] !== anyOne && segment[index] !== point)) return -1;
    at -= width(point);
  }
  return at;
}

function pointBefore(text: string, at: number): number | undefined {
  const pair = at >= 2 ? (text.codePointAt(at - 2) ?? 0) : 0;
  return pair > 0xffff ? pair : at >= 1 ? text.codePointAt(at - 1) : undefined;
}

/** The place behind the first appearance from a place on; -1 when there is none. */
function endOfFirst(segment: Segment, text: string, from: number): number {
  if (segment.length > text.length - from) return -1;
  if (typeof segment !== 'string') return endOfFirstWithGaps(segment, text, from);
  const found = text.indexOf(segment, from);
  return found < 0 ? -1 : found + segment.length;
}

/**
 * Shift-And (Baeza-Yates and Gonnet, 1992): bit i of the state says that the first i + 1 tokens end here. All places
 * at which the segment may have begun advance together, 32 to a word, whatever the tokens are.
 */
function endOfFirstWithGaps(tokens: Tokens, text: string, from: number): number {
  const { ofPoint, ofAny } = masksOf(tokens);
  const state = new Int32Array(ofAny.length);
  const last = tokens.length - 1;
  for (let at = from; at < text.length;) {
    const point = text.codePointAt(at) ?? 0;
    at += width(point);
    advance(state, ofPoint.get(point) ?? ofAny);
    if ((state[last >>> 5] ?? 0) & (1 << (last & 31))) return at;
  }
  return -1;
}

function advance(state: Int32Array, mask: Int32Array): void {
  let carry = 1;
  for (let word = 0; word < state.length; word += 1) {
    const bits = state[word] ?? 0;
    state[word] = ((bits << 1) | carry) & (mask[word] ?? 0);
    carry = bits >>> 31;
  }
}

/** For each character, the tokens that it fits; `ofAny` for characters that no token names. */
function masksOf(tokens: Tokens): { ofPoint: Map<number, Int32Array>; ofAny: Int32Array } {
  const ofAny = new Int32Array((tokens.length + 31) >>> 5);
  const set = (mask: Int32Array, bit: number) => void (mask[bit >>> 5] = (mask[bit >>> 5] ?? 0) | (1 << (bit & 31)));
  tokens.forEach((token, bit) => token === anyOne && set(ofAny, bit));
  const ofPoint = new Map<number, Int32Array>();
  tokens.forEach((token, bit) => {
    if (token === anyOne) return;
    const mask = ofPoint.get(token) ?? ofAny.slice();
    set(mask, bit);
    ofPoint.set(token, mask);
  });
  return { ofPoint, ofAny };
}

/** A character outside the basic plane is two units. */
const width = (point: number): number => (point > 0xffff ? 2 : 1);
