import type { DocumentError } from '@countersign/contracts';
import { ProblemError } from '@countersign/platform';
import { escapePointer } from '@countersign/policy-engine';
import type { z } from 'zod';

const MAX_ERRORS = 10;

/** What is wrong with one member of a body; `path` is its JSON Pointer (RFC 6901), empty for the body itself. */
type MemberError = Pick<DocumentError, 'path' | 'code' | 'message'>;

/**
 * A JSON body; every other type is refused, also those that the server reads for other endpoints.
 * @throws ProblemError unsupported-media-type
 */
export function requireJson(body: unknown, contentType: string | undefined): unknown {
  if (body === undefined || /^application\/json[ \t]*(;|$)/i.test(contentType ?? '')) return body;
  throw new ProblemError('unsupported-media-type', 'Send application/json.');
}

/**
 * Reads the JSON body of a question.
 * @throws ProblemError unsupported-media-type, invalid-parameter naming each member; never with its value, which may
 *   be a token
 */
export function parseBody<T>(schema: z.ZodType<T>, body: unknown, contentType: string | undefined): T {
  const { data, error } = schema.safeParse(requireJson(body, contentType), { reportInput: true });
  if (error) throw refuseMembers(memberErrors(error));
  return data;
}

/** The refusal of a body for what these members say. */
export const refuseMembers = (errors: readonly MemberError[]): ProblemError =>
  new ProblemError('invalid-parameter', inWords(errors), {
    errors: errors.map((error) => ({ document: 0, kind: null, name: null, ...error })),
  });

/** Errors as one text. */
export const inWords = (errors: readonly MemberError[]): string =>
  errors.map(({ path, message }) => `${path || 'the body'}: ${message}`).join('; ');

/** What a schema says is wrong, member by member, as far as a reader gets. */
export const memberErrors = ({ issues }: z.ZodError): MemberError[] => issues.flatMap(toErrors).slice(0, MAX_ERRORS);

function toErrors(issue: z.core.$ZodIssue): MemberError[] {
  const { path, message } = issue;
  if (issue.code === 'unrecognized_keys') {
    const unknown = { code: 'unknown_field', message: 'there is no such member' };
    return issue.keys.map((key) => ({ path: pointer([...path, key.slice(0, 64)]), ...unknown }));
  }
  const isMissing = issue.code === 'invalid_type' && issue.input === undefined;
  if (isMissing) return [{ path: pointer(path), code: 'required', message: 'is required' }];
  return [{ path: pointer(path), code: issue.code === 'invalid_type' ? 'invalid_type' : 'invalid_value', message }];
}

const pointer = (path: readonly PropertyKey[]): string =>
  path.map((token) => `/${escapePointer(String(token))}`).join('');
