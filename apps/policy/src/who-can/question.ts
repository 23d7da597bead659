import { ProblemError } from '@countersign/platform';
import { escapePointer } from '@countersign/policy-engine';
import { z } from 'zod';

const MAX_TEXT = 2_048;
// Neither matches any pattern, and both would only confuse whoever reads the answer.
const text = z
  .string()
  .min(1)
  .max(MAX_TEXT)
  .regex(/^[^\u0000-\u001f\u007f-\u009f]*$/, { message: 'must not contain control characters' });
const time = z.iso.datetime({ offset: true });

/** Body of `POST /v1/who-can`. */
export const questionSchema = z.strictObject({
  action: text,
  resource: text,
  from: time.optional(),
  to: time.optional(),
});

export type Question = z.infer<typeof questionSchema>;

/** @throws ProblemError malformed-request (no object), invalid-document with the JSON Pointer of each error */
export function parseQuestion(body: unknown): Question {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new ProblemError('malformed-request', 'The body must be a JSON object.');
  }
  const { data, error } = questionSchema.safeParse(body, { reportInput: true });
  if (data) return data;
  const errors = error.issues.flatMap(fieldErrors);
  const detail = errors.length === 1 ? '1 error' : `${errors.length} errors`;
  throw new ProblemError('invalid-document', detail, {
    errors: errors.map((found) => ({ document: 0, kind: null, name: null, ...found })),
  });
}

function fieldErrors(issue: z.core.$ZodIssue): { path: string; code: string; message: string }[] {
  const { path, message } = issue;
  if (issue.code === 'unrecognized_keys') {
    const code = 'unknown_field';
    return issue.keys.map((key) => ({ path: pointer([...path, key]), code, message: 'There is no such field.' }));
  }
  const isMissing = issue.code === 'invalid_type' && issue.input === undefined;
  return [{ path: pointer(path), code: isMissing ? 'required' : 'invalid_value', message }];
}

const pointer = (path: PropertyKey[]): string => path.map((token) => `/${escapePointer(String(token))}`).join('');
