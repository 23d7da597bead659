import { operatorSpellings } from '@countersign/policy-engine';
import type { z } from 'zod';

/**
 * What a JSON Schema can say of values that the code checks by hand. Never stricter than the code; what stays open is
 * listed beside the test that holds the two equal.
 */
type Json = z.core.JSONSchema.JSONSchema;

const anything = '[\\s\\S]';
/** A name, or a JSON Pointer (RFC 6901). */
const member = `(?:[^/]${anything}*|/(?:[^~]|~[01])*)`;

export const nameForm: Json = { pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$', maxLength: 253 };
export const durationForm: Json = { pattern: '^(?:(?:\\d+(?:\\.\\d*)?|\\.\\d+)(?:ns|us|µs|μs|ms|s|m|h))+$' };
export const urlForm: Json = { pattern: '^[hH][tT][tT][pP][sS]?:[^\\s\\u0000-\\u001f?#]+$' };
export const claimForm: Json = { pattern: `^(?:jwt:${member}|(?!jwt:)${member})$` };
export const addressForm: Json = { pattern: '^[0-9a-fA-F:.]+(?:/\\d{1,3})?$' };
export const scopeForm: Json = { pattern: '^ *(?:(?:role|policy):[a-z0-9][-a-z0-9.]{0,252}(?: +|$))*$' };

/** Numbers beyond this cannot be told apart. */
const number: Json = { type: 'number', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };
const boolean: Json = { type: 'boolean' };

const noTemplate = `^(?!${anything}*\\$\\{jwt:)`;
const closedTemplates = `^(?:(?!\\$\\{jwt:)${anything}|\\$\\{jwt:[^}]+\\})*$`;
const notOnlyWildcards = '^(?![*?]*$)';
const fewStars = '^(?:[^*]*\\*){0,16}[^*]*$';

export interface TextOptions {
  /** Whether `${jwt:claim}` may stand in it. */
  templates: boolean;
}

const textForm = ({ templates }: TextOptions, more: string[] = []): Json => ({
  type: 'string',
  minLength: 1,
  allOf: [templates ? closedTemplates : noTemplate, ...more].map((pattern) => ({ pattern })),
});

/** Actions and resources, and with `matchAll: false` the values of StringLike. */
export const patternForm = (options: TextOptions & { matchAll: boolean }): Json => ({
  ...textForm(options, [fewStars, ...(options.matchAll ? [] : [notOnlyWildcards])]),
  maxLength: 512,
});

/** Text as conditions take it: YAML reads 123 and true as something else. */
export const conditionTextForm = (options: TextOptions): Json => ({ anyOf: [textForm(options), number, boolean] });

/** One value will do where a list is expected. */
export function listForm(list: Json): Json {
  const items = list.items as Json;
  return { anyOf: [items, { ...list, items }] };
}

const valuesForm = (value: Json): Json => listForm({ type: 'array', minItems: 1, maxItems: 1_000, items: value });

const booleans: Json = { enum: [true, false, 'true', 'false'] };
const rfc3339 = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(?:\\.\\d{1,9})?(?:Z|[+-]\\d\\d:\\d\\d)';

/** What the values of an operator look like, by the beginning of its name. */
const valueForms = (options: TextOptions): readonly (readonly [family: string, value: Json])[] => [
  ['String(?:Not)?Like', { anyOf: [patternForm({ ...options, matchAll: false }), number, boolean] }],
  ['String(?:Not)?Equals?(?:IgnoreCase)?', conditionTextForm(options)],
  ['Numeric\\w+?', { anyOf: [{ type: 'string', pattern: '^-?\\d+(\\.\\d+)?([eE][+-]?\\d+)?$' }, number] }],
  ['Bool', booleans],
  ['(?:Not)?IpAddress', { type: 'string', ...addressForm }],
  [
    'Date\\w+?',
    {
      anyOf: [
        { type: 'string', pattern: `^(?:\\d{1,12}|${rfc3339})$` },
        { type: 'integer', minimum: 0, maximum: 999_999_999_999 },
      ],
    },
  ],
];

const sources = '(?:jwt|subject|resource|action|context)';

const keysForm = (value: Json): Json => ({
  type: 'object',
  minProperties: 1,
  propertyNames: { pattern: `^(?:ctx:(?:sourceIp|time|audience)|${sources}:${member})$` },
  additionalProperties: valuesForm(value),
});

/** A condition as it may be written: synonyms of operators, prefixes and suffix included. */
export const conditionForm = (options: TextOptions): Json => ({
  type: 'object',
  propertyNames: { enum: [...operatorSpellings] },
  patternProperties: {
    ...Object.fromEntries(
      valueForms(options).map(([family, value]) => [
        `^(?:ForAnyValue:|ForAllValues:)?${family}(?:IfExists)?$`,
        keysForm(value),
      ]),
    ),
    '^Null$': keysForm(booleans),
  },
  additionalProperties: false,
});

const has = (...names: string[]): Json => ({ anyOf: names.map((name) => ({ required: [name] })) });

/** A Role names its issuer in the condition, or by a repository in the principal. */
export const pinnedForm: Json = {
  anyOf: [
    { required: ['principal'], properties: { principal: { type: ['string', 'array'] } } },
    {
      required: ['condition'],
      properties: {
        condition: {
          anyOf: ['StringEqual', 'StringEquals'].map((operator) => ({
            required: [operator],
            properties: { [operator]: has('jwt:iss', 'subject:type') },
          })),
        },
      },
    },
  ],
};

/** Members that only private and shared keys have. */
export const publicKeyForm = (privateMembers: readonly string[]): Json => ({
  not: has(...privateMembers),
  properties: { kty: { type: 'string', not: { const: 'oct' } } },
});
