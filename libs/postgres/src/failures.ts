import { UnavailableError } from '@countersign/platform';

/** PostgreSQL error codes (appendix A of its manual) that say "not now" rather than "not like this". */
const UNAVAILABLE_STATES = /^(08|53|58)...$|^57P0.$|^57014$|^55P03$|^25006$/;
const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
/** What pg and pg-pool say without a code. */
const CLIENT_MESSAGES =
  /^(Connection terminated|Query runner already released|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Client was closed|Cannot use a pool after)/;

/** What there is to know of any thrown value; TypeORM wraps the driver's error. */
function driverError(error: unknown): { code: string; message: string } {
  if (typeof error !== 'object' || error === null) return { code: '', message: String(error) };
  if ('driverError' in error) return driverError(error.driverError);
  const { code, message } = error as { code?: unknown; message?: unknown };
  return { code: typeof code === 'string' ? code : '', message: typeof message === 'string' ? message : '' };
}

const codeOf = (error: unknown): string => driverError(error).code;

/** No answer came in time: the connection is still busy with the question and must not be used again. */
export const isReadTimeout = (error: unknown): boolean => driverError(error).message === 'Query read timeout';

/** An insert or update met a unique constraint or index (23505). */
export const isUniqueViolation = (error: unknown): boolean => codeOf(error) === '23505';

/** SQLSTATE classes that speak of the value, not of the server: data exception, program limit exceeded. */
const ABOUT_THE_VALUE = /^(22|54)/;

/** Would this value be refused again however often it is tried? Too deep for JSON.stringify counts as well. */
export const isUnstorable = (error: unknown): boolean =>
  error instanceof RangeError || ABOUT_THE_VALUE.test(codeOf(error));

/** Lost connections, time limits, a full, stopping or read-only server, a broken disk: UnavailableError; all else stays. */
export function asUnavailable(error: unknown): unknown {
  if (error instanceof UnavailableError) return error;
  const code = codeOf(error);
  const unavailable =
    UNAVAILABLE_STATES.test(code) || NETWORK_CODES.has(code) || CLIENT_MESSAGES.test(driverError(error).message);
  return unavailable ? new UnavailableError('postgres', { cause: error }) : error;
}

/** One line for the log: an AggregateError of several refused addresses has an empty message. */
export function describeFailure(error: unknown): string {
  const { message } = driverError(error);
  return message === '' ? codeOf(error) : message;
}
