import { httpPost } from './http-load';

/** What every subject token is addressed to. */
export const AUDIENCE = 'https://sts.example.com';
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt';
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

/** The request of a token exchange (RFC 8693 §2.1). */
export function exchangeRequest(url: string, path: string, subjectToken: string, more: Record<string, string> = {}) {
  const form = new URLSearchParams({
    grant_type: TOKEN_EXCHANGE,
    subject_token: subjectToken,
    subject_token_type: JWT_TYPE,
    ...more,
  });
  return httpPost(url, path, form.toString(), FORM);
}
