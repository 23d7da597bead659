import { GRANT_TYPES, type GrantName, type Permission } from '@countersign/contracts';
import { readPermissions } from './authorization-details';
import { refuseRequest, refuseToken } from './refusal';
import { readForm, required, requiredOneOf, type RawTokenRequest } from './token-form';

const TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:';
const SUBJECT_TOKEN_TYPES = ['jwt', 'id_token', 'access_token'].map((type) => TOKEN_TYPE + type);
const ISSUED_TOKEN_TYPES = ['access_token', 'jwt'].map((type) => TOKEN_TYPE + type);
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const MAX_NARROWING = 50;
const NAME = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;

/** A token request of any grant, its parameters checked and nothing else. */
export interface TokenRequest {
  grant: GrantName;
  /** The credential: `subject_token`, `assertion` or `client_assertion`. */
  subjectToken: string;
  /** Who acts for the subject (RFC 8693 §2.1); null when it acts for itself. */
  actorToken: string | null;
  /** `issued_token_type` of the answer; token exchange alone has one. */
  issuedTokenType: string | null;
  audience: string[];
  resource: string[];
  /** As asked for; null when absent or empty. */
  scope: string | null;
  /** Names from `role:` and `policy:` scopes, and the `client_id` of client credentials; null means no narrowing. */
  roles: string[] | null;
  policies: string[] | null;
  /** From `authorization_details` (RFC 9396); null means no narrowing. */
  permissions: Permission[] | null;
}

/** What the token is to be for, each once: `audience` and `resource` alike (RFC 8693 §2.1, RFC 8707 §2). */
export const requestedAudiences = ({ audience, resource }: TokenRequest): string[] => [
  ...new Set([...audience, ...resource]),
];

type Credential = Pick<TokenRequest, 'subjectToken' | 'actorToken' | 'issuedTokenType'>;

/** Reads a form-encoded token request (RFC 6749 §3.2, RFC 8693 §2.1, RFC 7523 §2). Throws Refusal. */
export function parseTokenRequest(raw: RawTokenRequest): TokenRequest {
  const form = readForm(raw);
  const grant = readGrant(form);
  const credential = CREDENTIAL_OF[grant](form);
  const resource = form.getAll('resource');
  if (!resource.every(isResource)) {
    throw refuseToken('target_not_allowed', 'resource is not an absolute URI without fragment');
  }
  const scope = form.get('scope')?.trim() || null;
  const { roles, policies } = readScope(scope, raw.lenientScope);
  return {
    grant,
    audience: form.getAll('audience').filter((value) => value !== ''),
    resource,
    scope,
    roles: grant === 'client-credentials' ? rolesOfClient(form.get('client_id'), roles) : roles,
    policies,
    permissions: readPermissions(form.get('authorization_details')),
    ...credential,
  };
}

function readGrant(form: URLSearchParams): GrantName {
  const type = required(form, 'grant_type');
  if (Object.hasOwn(GRANT_TYPES, type)) return GRANT_TYPES[type as keyof typeof GRANT_TYPES];
  throw refuseRequest('unsupported_grant_type', 'this grant_type is not supported');
}

const CREDENTIAL_OF: Record<GrantName, (form: URLSearchParams) => Credential> = {
  'token-exchange': (form) => {
    const subjectToken = required(form, 'subject_token');
    requiredOneOf(form, 'subject_token_type', SUBJECT_TOKEN_TYPES);
    const issuedTokenType = form.has('requested_token_type')
      ? requiredOneOf(form, 'requested_token_type', ISSUED_TOKEN_TYPES)
      : `${TOKEN_TYPE}access_token`;
    return { subjectToken, actorToken: readActor(form), issuedTokenType };
  },
  'jwt-bearer': (form) => ({ subjectToken: required(form, 'assertion'), actorToken: null, issuedTokenType: null }),
  'client-credentials': (form) => {
    const subjectToken = required(form, 'client_assertion');
    requiredOneOf(form, 'client_assertion_type', [ASSERTION_TYPE]);
    return { subjectToken, actorToken: null, issuedTokenType: null };
  },
};

/** RFC 8693 §2.1: the actor's token and its type come together or not at all. */
function readActor(form: URLSearchParams): string | null {
  if (!form.has('actor_token') && !form.has('actor_token_type')) return null;
  const actorToken = required(form, 'actor_token');
  requiredOneOf(form, 'actor_token_type', SUBJECT_TOKEN_TYPES);
  return actorToken;
}

/** RFC 8707 §2: an absolute URI, without a fragment. */
const isResource = (value: string): boolean => URL.canParse(value) && !value.includes('#');

const listOrNull = (list: string[]): string[] | null => (list.length > 0 ? list : null);

function readScope(scope: string | null, lenient: boolean): Pick<TokenRequest, 'roles' | 'policies'> {
  const items = (scope ?? '').split(' ').filter((item) => item !== '');
  const unknown = items.find((item) => nameIn(item, 'role') === null && nameIn(item, 'policy') === null);
  if (unknown !== undefined && !lenient) {
    throw refuseToken('scope_not_allowed', 'a scope is neither role:NAME nor policy:NAME');
  }
  if (items.length > MAX_NARROWING) throw refuseToken('scope_not_allowed', 'too many scopes');
  const named = (kind: string): string[] => items.flatMap((item) => nameIn(item, kind) ?? []);
  return { roles: listOrNull(named('role')), policies: listOrNull(named('policy')) };
}

/** `x` of `role:x`; null for another kind and for what is no name. */
function nameIn(item: string, kind: string): string | null {
  const name = item.startsWith(`${kind}:`) ? item.slice(kind.length + 1) : '';
  return NAME.test(name) ? name : null;
}

/** `client_id` names the one Role that the client is limited to; `scope` may not name another. */
function rolesOfClient(clientId: string | null, roles: string[] | null): string[] | null {
  if (clientId === null || clientId === '') return roles;
  if (!NAME.test(clientId)) throw refuseToken('no_matching_role', 'client_id is not the name of a Role');
  if (roles?.some((role) => role !== clientId)) throw refuseToken('scope_not_allowed', 'a scope names another Role');
  return [clientId];
}
