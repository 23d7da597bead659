/** What is written where a token or secret stood. */
const placeholder = '[redacted]';

/**
 * Where a run of token characters begins: also after an escape, since log lines are scrubbed as JSON text.
 * Starting nowhere else keeps long harmless runs linear, and no escape is cut in two.
 */
const runStart = String.raw`(?=[A-Za-z0-9_-])(?:(?<=\\[bfnrt]|\\u[0-9a-fA-F]{4}|(?<!\\)(?:\\\\)+)|(?<![A-Za-z0-9_\\-]))`;

/** What must never be logged, each with what of it may stay. */
const secrets: readonly (readonly [RegExp, string])[] = [
  // Credentials of an Authorization header, opaque ones too (RFC 6750, RFC 9449, RFC 7617); words after it stay.
  [
    /(Bearer|DPoP|Basic)([ :=]+)(?:(?=[A-Za-z._~+/=-]*\d)[A-Za-z0-9._~+/=-]{6,}|[A-Za-z0-9._~+/=-]{16,})/gi,
    `$1$2${placeholder}`,
  ],
  [/whsec_[A-Za-z0-9+/=_-]+/g, placeholder],
  // JOSE headers are JSON objects, and `{"`, `{ "` or `{` and a line end begin like this; cut tokens too.
  [/e(?:yJ|yA|w0|wo|wk)[A-Za-z0-9_-]{13,}(?:\.[A-Za-z0-9_-]*){0,4}/g, placeholder],
  // Compact JWS or JWE in form: the last part is long enough for a signature.
  [
    new RegExp(
      String.raw`${runStart}[A-Za-z0-9_-]{12,}\.(?:[A-Za-z0-9_-]*\.){1,3}[A-Za-z0-9_-]{43,}(?:\.[A-Za-z0-9_-]+)?`,
      'g',
    ),
    placeholder,
  ],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?/g, placeholder],
];

/**
 * In every text that scrubTokens would change, and in few others: one look that most texts need no more than. A compact
 * JWS ends in a signature after a dot.
 */
const suspicious = /bearer|dpop|basic|whsec_|e(?:yJ|yA|w0|wo|wk)|\.[A-Za-z0-9_-]{43}|-----BEGIN/i;

/** Whether the text contains anything that scrubTokens would replace. */
export function looksLikeToken(text: string): boolean {
  return suspicious.test(text) && secrets.some(([pattern]) => text.search(pattern) !== -1);
}

/** The text with everything in it that looks like a token, a bearer credential or a secret replaced. */
export function scrubTokens(text: string): string {
  if (!suspicious.test(text)) return text;
  return secrets.reduce((scrubbed, [pattern, replacement]) => scrubbed.replace(pattern, replacement), text);
}
