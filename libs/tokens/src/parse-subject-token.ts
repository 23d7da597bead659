import { parseCompactToken } from './compact-form';
import { ParseResult } from './types';

/** 16 KiB holds every recorded platform's token with room to spare; RFC 8725 leaves the size to the reader. */
const subjectTokenLimits = { size: 16 * 1024, depth: 12, members: 1000 };

/**
 * Reads a subject token without trusting it: size and form first, then one strict JSON reading of header and
 * claims, then the header rules (RFC 7515, RFC 8725). On a refusal after the form was read, `header` and
 * `claims` hold what could be read, unverified.
 */
export function parseSubjectToken(token: string): ParseResult {
  return parseCompactToken(token, subjectTokenLimits);
}
