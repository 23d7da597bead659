import type { Finding } from './payloads';

/** Every problem type outside the OAuth endpoints (RFC 9457), with its status and title. */
export const PROBLEMS = {
  'malformed-request': { status: 400, title: 'Malformed request' },
  unauthenticated: { status: 401, title: 'Authentication required' },
  insufficient_scope: { status: 403, title: 'Not allowed' },
  'not-found': { status: 404, title: 'Not found' },
  'method-not-allowed': { status: 405, title: 'Method not allowed' },
  conflict: { status: 409, title: 'Conflict' },
  'precondition-failed': { status: 412, title: 'Precondition failed' },
  'too-large': { status: 413, title: 'Request too large' },
  'unsupported-media-type': { status: 415, title: 'Unsupported media type' },
  'invalid-document': { status: 422, title: 'Invalid document' },
  'lint-failed': { status: 422, title: 'Lint found errors' },
  'tests-failed': { status: 422, title: 'Policy tests failed' },
  'invalid-parameter': { status: 422, title: 'Invalid parameter' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  internal: { status: 500, title: 'Internal error' },
  unavailable: { status: 503, title: 'Temporarily unavailable' },
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

/** One thing wrong with a raw document or another body. */
export interface FieldError {
  /** JSON Pointer (RFC 6901) into what was given; '' for the whole of it. */
  path: string;
  code: string;
  message: string;
}

/** One error of a document of a request. */
export interface DocumentError extends FieldError {
  /** Index of the document in the request. */
  document: number;
  kind: string | null;
  name: string | null;
}

/** Body of `application/problem+json` (RFC 9457). */
export interface ProblemBody {
  type: string;
  title: string;
  status: number;
  detail: string;
  traceId: string;
  errors?: DocumentError[];
  /** Of lint: all of them, also those that refuse nothing. */
  findings?: Finding[];
}

/** `type` URI of a problem. */
export const problemType = (code: ProblemCode): string => `https://countersign.dev/problems/${code}`;
