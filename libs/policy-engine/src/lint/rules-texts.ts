import type { PolicyRule, Draft, RoleRule } from './lint-rule';
import type { PolicyDocument } from '../documents';
import { compileCondition } from '../conditions';
import type { RoleView } from './role-view';

/** A text of a document, and where it stands. */
interface Text {
  path: string;
  value: string;
}

const invisible =
  /[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]|[\u{e0000}-\u{e007f}]/u;
const latin = /\p{Script=Latin}/u;
const resembling =
  /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}\uff21-\uff3a\uff41-\uff5a]/u;

const isMixed = (word: string): boolean => latin.test(word) && resembling.test(word);

/** What a reader cannot see in a text; null when it is what it looks like. */
function deception(value: string): string | null {
  if (invisible.test(value)) return 'has characters that cannot be seen, or that change the order of the others';
  if (value.split(/[^\p{L}]+/u).some(isMixed)) return 'mixes letters of two scripts that look the same';
  return null;
}

const escaped = (value: string): string =>
  value.replaceAll(/[^\u0020-\u007e]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);

const deceptive = (texts: readonly Text[]): Draft[] =>
  texts.flatMap(({ path, value }) => {
    const message = deception(value);
    return message === null ? [] : [{ path, message: `${message}: ${escaped(value)}` }];
  });

const padded = (texts: readonly Text[]): Draft[] =>
  texts.flatMap(({ path, value }) =>
    value === value.trim()
      ? []
      : [{ path, message: `begins or ends with a space, which is part of the value: ${JSON.stringify(value)}` }],
  );

const roleTexts = ({ checks }: RoleView): Text[] =>
  checks.flatMap(({ path, values }) => values.map((value, index) => ({ path: `${path}/${index}`, value })));

const policyTexts = ({ spec }: PolicyDocument): Text[] =>
  spec.statement.flatMap((statement, place) => {
    const path = `/spec/statement/${place}`;
    const list = (field: 'action' | 'resource'): Text[] =>
      statement[field].map((value, index) => ({ path: `${path}/${field}/${index}`, value }));
    const { checks } = compileCondition(statement.condition ?? {}, `${path}/condition`, { templates: true });
    const values = checks.flatMap((check) =>
      check.values.map((value, index) => ({ path: `${check.path}/${index}`, value })),
    );
    return [...list('action'), ...list('resource'), ...values];
  });

const looks = {
  severity: 'error',
  title: 'a value that is not what it looks like: unseen characters, or letters of two scripts',
  fix: 'Type the value again by hand, in plain letters.',
} as const;

const spaces = {
  severity: 'warning',
  title: 'a value that begins or ends with a space',
  fix: 'Take the space out.',
} as const;

export const roleTextRules: readonly RoleRule[] = [
  {
    id: 'CS023',
    kind: 'Role',
    ...looks,
    example: 'condition: { StringEqual: { jwt:repository_owner: ["\\u0430cme"] } }',
    lint: (role) => deceptive(roleTexts(role)),
  },
  {
    id: 'CS024',
    kind: 'Role',
    ...spaces,
    example: "condition: { StringEqual: { jwt:repository_owner: ['acme '] } }",
    lint: (role) => padded(roleTexts(role)),
  },
];

export const policyTextRules: readonly PolicyRule[] = [
  {
    id: 'CS038',
    kind: 'Policy',
    ...looks,
    example: 'resource: ["pr\\u043ed:*"]',
    lint: (policy) => deceptive(policyTexts(policy)),
  },
  {
    id: 'CS039',
    kind: 'Policy',
    ...spaces,
    example: "action: ['Function:Read ']",
    lint: (policy) => padded(policyTexts(policy)),
  },
];
