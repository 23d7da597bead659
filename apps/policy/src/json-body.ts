import type { FieldError } from '@countersign/contracts';
import { ProblemError, parseBody, refuseFields } from '@countersign/platform';
import type { z } from 'zod';

/** Errors that `detail` puts into words: as far as a reader gets. */
const MOST_TOLD = 10;

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
 * @throws ProblemError unsupported-media-type, invalid-parameter naming each member
 */
export const parseQuestion = <T>(schema: z.ZodType<T>, body: unknown, contentType: string | undefined): T =>
  parseBody(schema, requireJson(body, contentType), refuseMembers);

/** The refusal of a question for what these members say. */
export const refuseMembers = (errors: readonly FieldError[]): ProblemError =>
  refuseFields(errors, 'invalid-parameter', inWords(errors));

/** Errors as one text. */
export const inWords = (errors: readonly FieldError[]): string =>
  errors
    .slice(0, MOST_TOLD)
    .map(({ path, message }) => `${path || 'the body'}: ${message}`)
    .join('; ');
