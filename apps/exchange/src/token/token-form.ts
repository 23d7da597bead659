import { refuseRequest } from './refusal';

const CREDENTIALS = ['subject_token', 'actor_token', 'assertion', 'client_assertion', 'client_secret'];
const REPEATABLE = new Set(['audience', 'resource']);
const MAX_PARAMETERS = 50;

export interface RawTokenRequest {
  contentType: string | undefined;
  query: string;
  body: unknown;
  /** The OpenFaaS path ignores scopes it does not know. */
  lenientScope: boolean;
}

/** Reads a form (RFC 6749 §3.2): no credential in the query string, nothing repeated that must not be. Throws Refusal. */
export function readForm({ contentType, query, body }: RawTokenRequest): URLSearchParams {
  const inQuery = new URLSearchParams(query);
  const leaked = CREDENTIALS.find((name) => inQuery.has(name));
  if (leaked !== undefined) throw refuseRequest('invalid_request', `${leaked} must not be in the query string`);
  const mediaType = contentType?.split(';')[0]?.trim().toLowerCase();
  if (mediaType !== 'application/x-www-form-urlencoded' || typeof body !== 'string') {
    throw refuseRequest('invalid_request', 'the body must be application/x-www-form-urlencoded');
  }
  const form = new URLSearchParams(body);
  if (form.size > MAX_PARAMETERS) throw refuseRequest('invalid_request', 'too many parameters');
  refuseRepeated(form);
  return form;
}

function refuseRepeated(form: URLSearchParams): void {
  const seen = new Set<string>();
  for (const name of form.keys()) {
    const base = name.replace(/\[.*$/s, '');
    if (base !== name && CREDENTIALS.includes(base)) throw refuseRequest('invalid_request', `${base} is not a list`);
    if (seen.has(name) && !REPEATABLE.has(name)) throw refuseRequest('invalid_request', 'a parameter is repeated');
    seen.add(name);
  }
}

/** A parameter that must be there; empty counts as absent (RFC 6749 §3.2). Throws Refusal. */
export function required(form: URLSearchParams, name: string): string {
  const value = form.get(name);
  if (value === null || value === '') throw refuseRequest('invalid_request', `${name} is required`);
  return value;
}

/** A parameter whose value must be one of a few. Throws Refusal. */
export function requiredOneOf(form: URLSearchParams, name: string, allowed: readonly string[]): string {
  const value = required(form, name);
  if (!allowed.includes(value)) throw refuseRequest('invalid_request', `this ${name} is not supported`);
  return value;
}
