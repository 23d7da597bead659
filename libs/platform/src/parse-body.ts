import { jsonPointer, type FieldError, type ProblemCode } from '@countersign/contracts';
import type { z } from 'zod';
import { ProblemError, countErrors } from './problem';

const MAX_ERRORS = 100;

/**
 * A body as its schema wants it.
 * @throws ProblemError invalid-document, or what `refuse` makes of the errors; never with a value, which may be a token
 */
export function parseBody<T>(
  schema: z.ZodType<T>,
  body: unknown,
  refuse: (errors: FieldError[]) => ProblemError = refuseFields,
): T {
  const { data, error } = schema.safeParse(body, { reportInput: true });
  if (error) throw refuse(fieldErrors(error));
  return data;
}

/** The refusal of a body for what these fields say; `detail` left out counts them. */
export const refuseFields = (
  errors: readonly FieldError[],
  code: ProblemCode = 'invalid-document',
  detail = countErrors(errors),
): ProblemError =>
  new ProblemError(code, detail, {
    errors: errors.map((error) => ({ document: 0, kind: null, name: null, ...error })),
  });

/** What a schema, asked with `reportInput`, says is wrong, field by field; the path of the body itself is empty. */
export const fieldErrors = ({ issues }: z.ZodError): FieldError[] => issues.flatMap(toErrors).slice(0, MAX_ERRORS);

function toErrors(issue: z.core.$ZodIssue): FieldError[] {
  const { path, message } = issue;
  if (issue.code === 'unrecognized_keys') {
    const unknown = { code: 'unknown_field', message: 'there is no such field' };
    return issue.keys.map((key) => ({ path: jsonPointer([...path, key.slice(0, 64)]), ...unknown }));
  }
  const isMissing = issue.code === 'invalid_type' && issue.input === undefined;
  const wrong = isMissing ? { code: 'required', message: 'is required' } : { code: 'invalid_value', message };
  return [{ path: jsonPointer(path), ...wrong }];
}
