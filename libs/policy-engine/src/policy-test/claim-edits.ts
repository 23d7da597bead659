import type { Claims } from '../decisions';

/** Values that are near another one. */
export type Edits = (value: unknown) => unknown[];

const evil = 'evil';

/** The same letters in the other case. */
function otherCase(text: string): string {
  const upper = text.toUpperCase();
  return upper === text ? text.toLowerCase() : upper;
}

const textEdits =
  (edit: (text: string) => unknown[]): Edits =>
  (value) =>
    typeof value === 'string' && value !== '' ? edit(value) : anyEdits(value);

/** Names that begin or end with another one, and its other spelling. */
export const nameEdits: Edits = textEdits((text) => [`${text}-${evil}`, `${evil}-${text}`, otherCase(text)]);

/** The last part of a path: another project of the same owner. */
export const pathEdits: Edits = textEdits((text) => {
  const start = text.lastIndexOf('/') + 1;
  const [parent, name] = [text.slice(0, start), text.slice(start)];
  return nameEdits(name).map((edited) => `${parent}${String(edited)}`);
});

/** The next id, and the id as the other type. */
export const idEdits: Edits = (value) => [nextId(value)];

/** An id that somebody else has. */
export function nextId(value: unknown): unknown {
  if (typeof value === 'number') return value + 1;
  if (typeof value !== 'string' || value === '') return value;
  if (/^\d{1,30}$/.test(value)) return String(BigInt(value) + 1n).padStart(value.length, '0');
  const last = value.search(/[A-Za-z0-9][^A-Za-z0-9]*$/);
  return last < 0 ? `${value}1` : `${value.slice(0, last)}${value[last] === '1' ? '2' : '1'}${value.slice(last + 1)}`;
}

/** Another branch that begins alike, the tag of the same name, a pull request. */
export const refEdits: Edits = textEdits((text) => {
  const [, kind, name] = /^refs\/([^/]+)\/(.+)$/.exec(text) ?? [];
  if (kind === undefined || name === undefined) return [`${text}2`, `${evil}/${text}`, otherCase(text)];
  const twin = kind === 'tags' ? 'heads' : 'tags';
  return [
    `refs/${kind}/${name}2`,
    `refs/${kind}/${evil}/${name}`,
    `refs/${kind}/${otherCase(name)}`,
    `refs/${twin}/${name}`,
    'refs/pull/1/merge',
  ];
});

/** Another workflow file of the same repository, and the same file at another ref. */
export const workflowEdits: Edits = textEdits((text) => {
  const [file = '', ref] = text.split('@');
  const edited = pathEdits(file)
    .filter((path) => path !== file)
    .map((path) => (ref === undefined ? path : `${String(path)}@${ref}`));
  return ref === undefined ? edited : [...edited, `${file}@refs/heads/${evil}`];
});

/** Mail addresses at another host, and of another person. */
export const mailEdits: Edits = textEdits((text) => [
  `${text}.${evil}.test`,
  `${evil}-${text}`,
  text.replace('@', `@${evil}.`),
  otherCase(text),
]);

/** One of a closed list. */
export const choiceEdits =
  (...choices: unknown[]): Edits =>
  () =>
    choices;

/** Whatever the type says: another value of it, and the same one as another type. */
export function anyEdits(value: unknown): unknown[] {
  if (typeof value === 'string') return /^[0-9a-fA-F-]{32,}$|^\d+$/.test(value) ? idEdits(value) : nameEdits(value);
  if (typeof value === 'number') return [value + 1, String(value)];
  if (typeof value === 'boolean') return [!value, String(value)];
  return Array.isArray(value) ? listEdits(value) : [];
}

/** How many members of a list are edited; each edit is a list of its own. */
const MAX_MEMBERS = 10;

/** A member more, a member less, one that is another. */
function listEdits(list: readonly unknown[]): unknown[] {
  const first = list.slice(0, MAX_MEMBERS);
  const changed = first.flatMap((item, index) =>
    anyEdits(item)
      .slice(0, 1)
      .map((edited) => list.with(index, edited)),
  );
  return [[...list, evil], ...first.map((_, index) => list.toSpliced(index, 1)), ...changed];
}

/** Text in which a value is quoted as a whole, with another value in its place; the first place or the last. */
export function requote(text: string, { from, to, last }: { from: string; to: string; last: boolean }): string {
  const quoted = new RegExp(`(?<![\\w-])${from.replace(/[^\w]/g, '\\$&')}(?![\\w-])`, 'g');
  const places = [...text.matchAll(quoted)].map(({ index }) => index);
  const at = last ? places.at(-1) : places[0];
  return at === undefined || from === '' ? text : `${text.slice(0, at)}${to}${text.slice(at + from.length)}`;
}

/** The tokens of a claim's name, which is a JSON Pointer when it starts with a slash (RFC 6901). */
const tokensOf = (claim: string): string[] =>
  claim.startsWith('/')
    ? claim
        .slice(1)
        .split('/')
        .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
    : [claim];

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The value of a claim; undefined when there is none. */
export function claimAt(claims: Claims, claim: string): unknown {
  return tokensOf(claim).reduce<unknown>(
    (value, token) => (isObject(value) && Object.hasOwn(value, token) ? value[token] : undefined),
    claims,
  );
}

/** The claims with one of them changed, or without it (undefined). */
export function changeClaim(claims: Claims, claim: string, value: unknown): Claims {
  return changeAt(claims, tokensOf(claim), value);
}

function changeAt(object: Claims, [first = '', ...rest]: readonly string[], value: unknown): Claims {
  const { [first]: member, ...others } = object;
  const inner = rest.length === 0 ? value : changeAt(isObject(member) ? member : {}, rest, value);
  return inner === undefined ? others : { ...object, [first]: inner };
}
