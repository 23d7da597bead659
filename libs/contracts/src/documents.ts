import { escapePointer, jsonPointer, type CountersignDocument } from '@countersign/policy-engine';
import { z } from 'zod';
import { documentName } from './documents-fields';
import { issuerFields, issuerSpec } from './documents-issuer';
import { policySpec, statementFields } from './documents-policy';
import { roleFields, roleSpec } from './documents-role';
import type { FieldError } from './problems';

/** A validated, normalised document together with what its envelope said. */
export type ParsedDocument = CountersignDocument & { apiVersion: string; namespace: string | null };

interface ParseFailure {
  ok: false;
  errors: FieldError[];
  kind?: string;
  name?: string;
}

export type ParseResult = { ok: true; document: ParsedDocument } | ParseFailure;
type WithData<T> = { ok: true; data: T } | ParseFailure;

const apiVersions = ['countersign.dev/v1', 'iam.openfaas.com/v1', 'openfaas.com/v1'] as const;

export const envelope = <Kind extends string, Spec extends z.ZodType>(kind: Kind, spec: Spec) =>
  z.strictObject({
    apiVersion: z.enum(apiVersions),
    kind: z.literal(kind),
    metadata: z.strictObject({
      name: documentName,
      namespace: z.string().optional(),
      labels: z.record(z.string(), z.string()).optional(),
      annotations: z.record(z.string(), z.string()).optional(),
    }),
    spec,
  });

/** Documents as they may be written, by kind. */
export const documentSchemas = {
  JwtIssuer: envelope('JwtIssuer', issuerSpec),
  Role: envelope('Role', roleSpec),
  Policy: envelope('Policy', policySpec),
};
const anyDocument = z.discriminatedUnion('kind', [
  documentSchemas.JwtIssuer,
  documentSchemas.Role,
  documentSchemas.Policy,
]);

/** The names of all fields: of `spec`, for a Policy of each statement. docs/documents.md explains them. */
export const documentFields = {
  JwtIssuer: Object.keys(issuerFields.shape),
  Role: Object.keys(roleFields.shape),
  Policy: Object.keys(statementFields.shape),
};

const maxDepth = 32;

/** Validates one document as it came out of YAML or JSON. Never throws. */
export function parseDocument(raw: unknown): ParseResult {
  const result = parseWith(anyDocument, raw);
  if (!result.ok) return result;
  const { apiVersion, kind, metadata, spec } = result.data;
  const envelopeOf = { apiVersion, namespace: metadata.namespace ?? null, name: metadata.name };
  return { ok: true, document: { kind, spec, ...envelopeOf } as ParsedDocument };
}

/** Validates what calls itself a document, of whatever kind the schema is for. */
export function parseWith<Schema extends z.ZodType>(schema: Schema, raw: unknown): WithData<z.output<Schema>> {
  const unsafe = findUnsafe(raw, '', 0);
  if (unsafe) return { ok: false, errors: [unsafe], ...identity(raw) };
  const result = schema.safeParse(raw);
  if (result.success) return { ok: true, data: result.data };
  const errors = result.error.issues.flatMap((issue) => toErrors(issue, raw));
  return { ok: false, errors: firstOfEachPlace(errors), ...identity(raw) };
}

/** What is of the wrong type is often of the wrong length, too: one thing said of a place is enough. */
function firstOfEachPlace(errors: FieldError[]): FieldError[] {
  const seen = new Set<string>();
  return errors.filter(({ path }) => !seen.has(path) && seen.add(path));
}

/** Checks that come before any schema: a member that JavaScript treats specially, and nesting without end. */
function findUnsafe(value: unknown, path: string, depth: number): FieldError | null {
  if (typeof value !== 'object' || value === null) return null;
  if (depth > maxDepth) return { path, code: 'too_deep', message: `is nested deeper than ${maxDepth} levels` };
  for (const [key, member] of Object.entries(value)) {
    const at = `${path}/${escapePointer(key)}`;
    if (key === '__proto__') return { path: at, code: 'unknown_field', message: 'unknown field "__proto__"' };
    const found = findUnsafe(member, at, depth + 1);
    if (found) return found;
  }
  return null;
}

/** What an invalid document calls itself, as far as it can be told. */
function identity(raw: unknown): { kind?: string; name?: string } {
  const kind = lookUp(raw, ['kind']);
  const name = lookUp(raw, ['metadata', 'name']);
  return {
    ...(typeof kind === 'string' ? { kind: kind.slice(0, 64) } : {}),
    ...(typeof name === 'string' ? { name: name.slice(0, 253) } : {}),
  };
}

function lookUp(raw: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, token) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, token)
        ? (value as Record<PropertyKey, unknown>)[token]
        : undefined,
    raw,
  );
}

function toErrors(issue: z.core.$ZodIssue, raw: unknown): FieldError[] {
  const meant = issue.code === 'invalid_union' ? meantBranch(issue) : [];
  if (meant.length > 0) return meant.flatMap((inner) => toErrors(inner, raw));
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: toPointer([...issue.path, key], raw),
      code: 'unknown_field',
      message: `unknown field "${key.slice(0, 64)}"`,
    }));
  }
  const path = toPointer(issue.path, raw);
  if (lookUp(raw, issue.path) === undefined && path === toPointer(issue.path, undefined)) {
    return [
      { path, code: codeOf(issue, 'required'), message: issue.code === 'custom' ? issue.message : 'is required' },
    ];
  }
  return [{ path, code: codeOf(issue, undefined), message: issue.message }];
}

/** What is wrong within the one alternative that has the type of what was given. */
const meantBranch = ({ errors, path }: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue[] =>
  (errors.find((issues) => issues.every((inner) => inner.path.length > 0 || inner.code !== 'invalid_type')) ?? []).map(
    (inner) => ({ ...inner, path: [...path, ...inner.path] }),
  );

const codes: Partial<Record<z.core.$ZodIssue['code'], string>> = {
  invalid_type: 'invalid_type',
  invalid_value: 'invalid_value',
  invalid_union: 'invalid_value',
};

const tooSmall: Record<string, string> = { array: 'empty_list', number: 'out_of_range', int: 'out_of_range' };
const tooBig: Record<string, string> = { string: 'too_long', number: 'out_of_range', int: 'out_of_range' };

const ownCode = ({ params }: z.core.$ZodIssueCustom): string =>
  typeof params?.['code'] === 'string' ? params['code'] : 'invalid_value';

function codeOf(issue: z.core.$ZodIssue, absent: string | undefined): string {
  if (issue.code === 'custom') return ownCode(issue);
  if (absent) return absent;
  if (issue.code === 'invalid_union' && issue.errors.length > 0) return 'invalid_type';
  if (issue.code === 'too_big') return tooBig[issue.origin] ?? 'too_many';
  if (issue.code === 'too_small') return tooSmall[issue.origin] ?? 'empty_value';
  return codes[issue.code] ?? 'invalid_value';
}

/** A scalar read as a list of one has no entry 0 in the document as written: the pointer stops at the scalar. */
function toPointer(path: readonly PropertyKey[], raw: unknown): string {
  const end = path.findIndex((_, index) => {
    const value = lookUp(raw, path.slice(0, index));
    return value !== undefined && (typeof value !== 'object' || value === null);
  });
  return jsonPointer(end < 0 ? path : path.slice(0, end));
}
