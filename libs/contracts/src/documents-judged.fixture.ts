import Ajv, { type ValidateFunction } from 'ajv';
import { default as addFormats } from 'ajv-formats';
import * as code from './documents';
import { documentJsonSchema } from './documents-json-schema';
import * as tests from './documents-policy-test';
import type { FieldError } from './problems';

/**
 * What a JSON Schema cannot say, or not without flags of regular expressions: documents that are wrong only in these
 * ways pass it. The server refuses them, and says so.
 */
export const BEYOND_SCHEMA: readonly string[] = [
  // Quantities: lengths of time, prefixes of ranges, the calendar.
  'out_of_range',
  'invalid_duration',
  'invalid_address',
  'invalid_date',
  'invalid_number',
  // Comparisons of one place with another.
  'duplicate_operator',
  'duplicate_case',
  'mixed_platforms',
  'contradiction',
  // What a URL, a certificate, a repository, a type or a tenant is.
  'invalid_url',
  'invalid_pem',
  'invalid_principal',
  'invalid_environment',
  'invalid_ref',
  'ambiguous_ref',
  'multi_tenant_issuer',
  'tenant_missing',
  'forbidden_type',
  // Read by the command before the document is sent.
  'claims_file',
  // Of whole documents, before any field.
  'too_deep',
];

const validators = new Map<string, ValidateFunction>();

function validatorOf(name: string): ValidateFunction {
  const known = validators.get(name);
  if (known) return known;
  const ajv = new Ajv({ strict: true, strictRequired: false, strictTypes: false, allErrors: true });
  addFormats(ajv);
  const made = ajv.compile(documentJsonSchema(name) ?? {});
  validators.set(name, made);
  return made;
}

/** Whether the published schema lets a document through. */
export function passesSchema(raw: unknown, name = 'document'): boolean {
  // As it would be in a file: undefined members are not there.
  return validatorOf(name)(raw === undefined ? undefined : JSON.parse(JSON.stringify(raw)));
}

/** Of a case and its PolicyTest together: what neither of them has. */
const SHARED_MEMBER = /^\/spec\/cases\/\d+\/(claims|action|resource)$/;

const isBeyond = ({ code: name, path }: FieldError): boolean =>
  BEYOND_SCHEMA.includes(name) || SHARED_MEMBER.test(path) || path.endsWith('/__proto__');

/** The code's judgement, which must also be the schema's, but for what is beyond it. */
function judged<Result extends { ok: true } | { ok: false; errors: FieldError[] }>(raw: unknown, result: Result) {
  const passes = passesSchema(raw);
  const errors = result.ok ? [] : result.errors;
  if (passes ? errors.every(isBeyond) : !result.ok) return result;
  const said = JSON.stringify(result.ok ? validatorOf('document').errors : errors);
  throw new Error(`the JSON Schema ${passes ? 'accepts' : 'refuses'} ${JSON.stringify(raw)}, the code says: ${said}`);
}

/** `parseDocument`, held equal to the JSON Schema; that one also knows PolicyTests, which are none of these. */
export const parseDocument: typeof code.parseDocument = (raw) =>
  tests.isPolicyTest(raw) ? code.parseDocument(raw) : judged(raw, code.parseDocument(raw));

/** `parsePolicyTest`, held equal to the JSON Schema. */
export const parsePolicyTest: typeof tests.parsePolicyTest = (raw) => judged(raw, tests.parsePolicyTest(raw));
