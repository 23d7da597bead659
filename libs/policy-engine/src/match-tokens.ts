/** Stands for any run of characters, the empty one too. */
export const anyRun = -1;
/** Stands for exactly one character. */
export const anyOne = -2;

/** Code points of literal text, `anyRun` and `anyOne`. */
export type Tokens = readonly number[];

/** Tokens without `anyRun`: they match texts of one length only, counted in characters. */
interface Segment {
  tokens: Tokens;
  /** The same as text to search for; null where a search would find other characters, too. */
  literal: string | null;
}

export interface Program {
  /** What the text begins with. */
  head: Segment;
  /** What comes next in this order, with anything between. */
  middle: readonly Segment[];
  /** What the text ends with; null when the head is all of it. */
  tail: Segment | null;
}

export function toProgram(tokens: Tokens): Program {
  const segments: number[][] = [[]];
  for (const token of tokens) {
    if (token === anyRun) segments.push([]);
    else segments.at(-1)?.push(token);
  }
  const [head = [], ...rest] = segments;
  const tail = rest.pop();
  const middle = rest.filter((segment) => segment.length > 0).map(toSegment);
  return { head: toSegment(head), middle, tail: tail ? toSegment(tail) : null };
}

const toSegment = (tokens: Tokens): Segment => ({
  tokens,
  literal: tokens.every(isCharacter) ? tokens.map((point) => String.fromCodePoint(point)).join('') : null,
});

/** Half of a pair would be found in the middle of a character. */
const isCharacter = (token: number): boolean => token !== anyOne && (token < 0xd800 || token > 0xdfff);

/**
 * Whether the whole text matches. Both ends are fixed, and what comes between is taken where it first appears, which
 * leaves most room for the rest: nothing is ever tried twice, so that no claim makes a pattern slow.
 */
export function matchesProgram({ head, middle, tail }: Program, text: string): boolean {
  const start = endOfHead(head.tokens, text);
  if (text.length === 0 || start < 0) return false;
  if (tail === null) return start === text.length;
  const end = startOfTail(tail.tokens, text);
  let at = start;
  for (const segment of middle) {
    at = endOfFirst(segment, text, at);
    if (at < 0) return false;
  }
  return at <= end;
}

/** The place behind the tokens at the beginning of the text; -1 when it begins otherwise. */
function endOfHead(tokens: Tokens, text: string): number {
  let at = 0;
  for (const token of tokens) {
    const point = text.codePointAt(at);
    if (point === undefined || (token !== anyOne && token !== point)) return -1;
    at += width(point);
  }
  return at;
}

/** The place of the tokens at the end of the text; -1 when it ends otherwise. */
function startOfTail(tokens: Tokens, text: string): number {
  let at = text.length;
  for (let index = tokens.length - 1; index >= 0; index -= 1) {
    const point = pointBefore(text, at);
    if (point === undefined || (tokens[index] !== anyOne && tokens[index] !== point)) return -1;
    at -= width(point);
  }
  return at;
}

function pointBefore(text: string, at: number): number | undefined {
  const pair = at >= 2 ? (text.codePointAt(at - 2) ?? 0) : 0;
  return pair > 0xffff ? pair : at >= 1 ? text.codePointAt(at - 1) : undefined;
}

/** The place behind the first appearance from a place on; -1 when there is none. */
function endOfFirst({ tokens, literal }: Segment, text: string, from: number): number {
  if (tokens.length > text.length - from) return -1;
  if (literal === null) return endOfFirstWithGaps(tokens, text, from);
  const found = text.indexOf(literal, from);
  return found < 0 ? -1 : found + literal.length;
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
