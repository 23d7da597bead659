import type { DocumentError, OAuthErrorBody, ProblemBody, RefusalClass } from '@countersign/contracts';
import { EXIT, Failure } from './failure';

type Place = (documentIndex: number) => string | null;

/** What to do about each class of refusal (docs/errors.md). */
const refusalHints: Record<RefusalClass, string> = {
  'malformed token': 'Pass the whole compact token, without quotes or line breaks.',
  'untrusted issuer': 'No JwtIssuer names the `iss` of this token: see `countersign get JwtIssuer`.',
  'token not valid': 'Look at its times and its key: `countersign token inspect`, `countersign issuer status`.',
  'audience not accepted': 'Ask the platform for a token whose audience is one of `spec.aud` of the JwtIssuer.',
  'token already used': 'Ask the platform for a new token: each one is exchanged once.',
  'not authorized': 'No Role lets this identity in.',
  'target not allowed': 'Ask for an audience that a matching Role lists in `spec.audience`.',
};

const problemHints: Record<number, string> = {
  400: 'The request could not be read: check that the file is YAML or JSON.',
  401: 'Set COUNTERSIGN_TOKEN to the admin token or to a token that countersign issued.',
  403: 'This token does not allow the action; a Policy must allow it on `countersign:*`.',
  404: 'See what there is: `countersign get`.',
  409: 'Something else holds that name or issuer, or the directory owns the document.',
  412: 'It changed meanwhile: read it again, then repeat the change.',
  413: 'Apply fewer documents at once.',
  422: 'Correct the fields listed above, then repeat the command; nothing was changed.',
  429: 'Too many attempts from this address: wait a moment and try again.',
};

/** Turns an answer that is not 2xx into the failure to show. `placeOf` names the file of a document. */
export function failureOf(status: number, body: unknown, placeOf: Place = () => null): Failure {
  const exitCode = [502, 503, 504].includes(status) ? EXIT.unreachable : EXIT.refused;
  if (isOAuthError(body)) return new Failure(exitCode, oauthMessage(body), oauthHint(body));
  if (isProblem(body)) return new Failure(exitCode, problemMessage(body, placeOf), hintFor(status));
  return new Failure(exitCode, `the server answered ${status} with a body that is not countersign's`, hintFor(status));
}

function oauthMessage({ error, error_description, trace_id }: OAuthErrorBody): string {
  return `refused: ${error_description || error} (${error})\n  trace id  ${trace_id}`;
}

function oauthHint({ error_description, trace_id }: OAuthErrorBody): string {
  const known = (refusalHints as Record<string, string | undefined>)[error_description];
  return [known, `Full reason, for an operator: countersign explain --trace-id ${trace_id}`]
    .filter((line) => line !== undefined)
    .join('\n      ');
}

function problemMessage({ title, detail, status, traceId, errors }: ProblemBody, placeOf: Place): string {
  const lines = (errors ?? []).map((error) => `  ${describeError(error, placeOf)}`);
  return [`${status} ${title}: ${detail}`, ...lines, `  trace id  ${traceId}`].join('\n');
}

/** One error of a document: its file, its name, the place in it, what is wrong. */
export function describeError({ document, kind, name, path, message }: DocumentError, placeOf: Place): string {
  const what = [kind, name].filter((part) => part !== null && part !== undefined).join('/');
  const where = placeOf(document) ?? `document ${document + 1}`;
  return [where, what, path, message].filter((part) => part !== '').join('  ');
}

const hintFor = (status: number): string =>
  problemHints[status] ??
  (status >= 500
    ? 'Try again; if it stays so, read the logs of the service with the trace id.'
    : 'See docs/errors.md.');

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const isOAuthError = (body: unknown): body is OAuthErrorBody => isObject(body) && typeof body['error'] === 'string';
const isProblem = (body: unknown): body is ProblemBody => isObject(body) && typeof body['title'] === 'string';
