import type { Decider, Question } from './decider';
import type { ProvenRequest } from './dpop';
import type { Identity } from './identity';
import { refuse, type Refused, type RefusalReason } from './reasons';
import { refusalAnswer, type RefusalAnswer } from './refusal-answer';
import { isText } from './values';
import type { Verifier } from './verifier';

/** What every web framework tells of a request. */
export interface GatedRequest {
  method: string;
  /** Path and query as the caller sent them. */
  target: string;
  headers: Record<string, string | string[] | undefined>;
}

export interface NeededPermission {
  action: string;
  /** `namespace:name`. */
  resource: string;
  /** Facts of the request for the conditions of policies. */
  context?: Record<string, unknown>;
}

export interface GuardOptions<Request> {
  verifier: Verifier;
  /** Scheme, host and any path before ours, as callers address this API; the origin of the audience unless given. */
  baseUrl?: string;
  /** One of these is enough; any valid token unless given. */
  roles?: string[];
  /** What the request needs to be allowed: without a decider by the permissions in the token, which narrow it anyway. */
  permission?: (request: Request) => NeededPermission;
  /** Knows what policies allow now, what is revoked and used up; asked whenever the token alone does not refuse. */
  decider?: Decider;
  /** For logs; a caller learns no more than the OAuth error code. */
  onRefused?: (reason: RefusalReason, request: Request) => void;
}

export type Admission = { ok: true; identity: Identity } | { ok: false; answer: RefusalAnswer };

type Presented = Pick<Question, 'token' | 'dpop'>;

interface Credentials {
  isDpop: boolean;
  token: string;
}

const CREDENTIALS = /^(?<scheme>bearer|dpop) +(?<token>[\w.~+/-]+=*) *$/i;
const identities = new WeakMap<object, Identity>();

/** Who sent a request that a guard let in. Throws when none did: the route is not protected. */
export function identityOf(request: object): Identity {
  const identity = identities.get(request);
  if (identity === undefined) throw new Error('no guard has let this request in');
  return identity;
}

/** Decides whether a request comes in, and remembers who sent it. */
export class Gate<Request extends object> {
  private readonly baseUrl: string | null;

  constructor(private readonly options: GuardOptions<Request>) {
    const { audience } = options.verifier;
    this.baseUrl = options.baseUrl ?? (/^https?:/.test(audience) ? new URL(audience).origin : null);
  }

  async admit(request: Request, gated: GatedRequest): Promise<Admission> {
    const credentials = credentialsIn(gated.headers['authorization']);
    const outcome = await this.check(request, gated, credentials);
    if (outcome.ok) {
      identities.set(request, outcome.identity);
      return outcome;
    }
    this.options.onRefused?.(outcome.reason, request);
    const { proofAlgorithms } = this.options.verifier;
    const isDpop = typeof credentials !== 'string' && credentials.isDpop;
    return { ok: false, answer: refusalAnswer(outcome.reason, { isDpop, proofAlgorithms }) };
  }

  private async check(request: Request, gated: GatedRequest, credentials: Credentials | RefusalReason) {
    if (typeof credentials === 'string') return refuse(credentials);
    const { token, isDpop } = credentials;
    const presented = isDpop ? { token, dpop: this.provenRequest(gated) } : { token };
    const verified = await this.options.verifier.verify(token, presented);
    if (!verified.ok) return verified;
    const { identity } = verified;
    if (isDpop && identity.keyThumbprint === null) return refuse('not_bound');
    const allowed = await this.isAllowed(request, identity, presented);
    return allowed.ok ? verified : allowed;
  }

  private provenRequest({ method, target, headers }: GatedRequest): ProvenRequest {
    if (this.baseUrl === null) throw new TypeError('DPoP needs baseUrl, since the audience is no URL');
    const { dpop } = headers;
    const url = this.baseUrl + target;
    return { method, url, proof: Array.isArray(dpop) ? dpop.join(', ') : dpop };
  }

  private async isAllowed(request: Request, identity: Identity, presented: Presented): Promise<{ ok: true } | Refused> {
    const { roles, permission, decider } = this.options;
    if (roles !== undefined && !roles.some((role) => identity.hasRole(role))) return refuse('not_allowed');
    if (permission === undefined) return { ok: true };
    const needed = permission(request);
    const isPermitted = identity.allows(needed.action, needed.resource);
    if (decider === undefined) return isPermitted ? { ok: true } : refuse('not_allowed');
    if (identity.permissions !== null && !isPermitted) return refuse('not_allowed');
    // Also where the token permits it: callers choose its permissions, and would choose not to be asked about.
    const answer = await decider.decide({ ...presented, ...needed });
    if (!answer.ok) return answer;
    return answer.allowed ? { ok: true } : refuse('not_allowed');
  }
}

/** RFC 6750 §2.1, RFC 9449 §7.1. */
function credentialsIn(header: string | string[] | undefined): Credentials | RefusalReason {
  if (header === undefined) return 'no_token';
  const { scheme, token } = CREDENTIALS.exec(String(header))?.groups ?? {};
  if (!isText(token)) return 'no_bearer_token';
  return { isDpop: scheme?.toLowerCase() === 'dpop', token };
}
