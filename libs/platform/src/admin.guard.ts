import { hash, timingSafeEqual } from 'node:crypto';
import { ADMIN_RESOURCE, type AdminAction, type Permission } from '@countersign/contracts';
import type { AccessTokenClaims, Jwk } from '@countersign/tokens';
import {
  CanActivate,
  ExecutionContext,
  Injectable,
  SetMetadata,
  createParamDecorator,
  type CustomDecorator,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { BoundTokens } from './bound-tokens';
import { ProblemError } from './problem';
import type { Trace } from './trace';
import { ServiceConfig } from './variables';
import { VerifiedTokens } from './verified-tokens';

const ACCESS = 'countersign:access';
type Access = 'public' | AdminAction;

/** Opens a route or a controller to everybody. */
export const Public = (): CustomDecorator => SetMetadata(ACCESS, 'public' satisfies Access);

/** Opens a route or a controller to callers who may do this on `countersign:*`. */
export const RequireAction = (action: AdminAction): CustomDecorator => SetMetadata(ACCESS, action);

/** Who makes a call, and in which trace. */
export interface Caller {
  /** `bootstrap`, or the `sub` of the access token; of what nobody called for: `system`, `directory`. */
  author: string;
  trace: Trace;
}

/** The caller of a route with `@RequireAction()`. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): Caller => {
  const request = context.switchToHttp().getRequest<FastifyRequest>();
  const author = authors.get(request);
  if (author === undefined) throw new Error('@Caller() on a route without @RequireAction()');
  return { author, trace: request.trace };
});

const authors = new WeakMap<FastifyRequest, string>();

/** What the guard asks the other services for: our verification keys, what is revoked, and what policies allow. */
export abstract class AdminAccess {
  abstract verificationKeys(): Promise<Jwk[]>;
  /** Of a token that verified; it rejects when nobody can tell. */
  abstract isRevoked(claims: AccessTokenClaims): Promise<boolean>;
  abstract isAllowed(request: {
    policies: string[];
    /** The revision that they were granted under. */
    grantedAt?: number | undefined;
    roles: string[];
    limitedTo: Permission[] | null;
    claims: Record<string, unknown>;
    action: AdminAction;
    resource: string;
    sourceIp: string | null;
  }): Promise<boolean>;
}

const digest = (text: string): Buffer => hash('sha256', text, 'buffer');

const unauthenticated = (challenge: string): ProblemError =>
  new ProblemError('unauthenticated', 'A valid bearer token is needed.', {
    headers: { 'www-authenticate': challenge },
  });

/** Denies by default: a route says `@Public()` or `@RequireAction()`, or nobody gets in (RFC 6750 §3). */
@Injectable()
export class AdminGuard implements CanActivate {
  private readonly boundTokens = new BoundTokens();
  private readonly verifiedTokens: VerifiedTokens;
  private readonly adminDigest: Buffer;
  private readonly needed = new WeakMap<object, Map<object, Access | undefined>>();

  constructor(
    private readonly reflector: Reflector,
    private readonly config: ServiceConfig,
    private readonly access: AdminAccess,
  ) {
    this.verifiedTokens = new VerifiedTokens(config.publicUrl, config.publicUrl);
    this.adminDigest = digest(config.adminToken);
  }

  canActivate(context: ExecutionContext): true | Promise<true> {
    const needed = this.neededFor(context);
    if (needed === 'public') return true;
    if (needed === undefined) throw new ProblemError('insufficient_scope', 'This route is closed.');
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    return this.authenticate(request, needed).then((author) => {
      authors.set(request, author);
      return true;
    });
  }

  /** Looked up once: reflection takes longer than the rest of a public route's guard. A handler may be inherited. */
  private neededFor(context: ExecutionContext): Access | undefined {
    const [handler, controller] = [context.getHandler(), context.getClass()];
    const known = this.needed.get(controller) ?? new Map<object, Access | undefined>();
    this.needed.set(controller, known);
    if (!known.has(handler))
      known.set(handler, this.reflector.getAllAndOverride<Access | undefined>(ACCESS, [handler, controller]));
    return known.get(handler);
  }

  private async authenticate(request: FastifyRequest, action: AdminAction): Promise<string> {
    const [scheme, token, ...rest] = (request.headers.authorization ?? '').split(' ');
    if (!/^(bearer|dpop)$/i.test(scheme ?? '') || !token || rest.length > 0) throw unauthenticated('Bearer');
    if (timingSafeEqual(digest(token), this.adminDigest)) return 'bootstrap';
    return this.authorizeAccessToken(request, token, action);
  }

  private async authorizeAccessToken(request: FastifyRequest, token: string, action: AdminAction): Promise<string> {
    const claims = await this.verify(request, token);
    const { policy: policies, policy_revision: grantedAt, roles, fed, sub, authorization_details: limits } = claims;
    const limitedTo = (limits ?? null) as Permission[] | null;
    const known = { ...fed.claims, iss: fed.iss, sub: fed.sub };
    const question = { policies, grantedAt, roles, claims: known, limitedTo, action, resource: ADMIN_RESOURCE };
    if (await this.access.isAllowed({ ...question, sourceIp: request.ip })) return sub;
    const challenge = `Bearer error="insufficient_scope", scope="${action}"`;
    throw new ProblemError('insufficient_scope', `This needs ${action}.`, {
      headers: { 'www-authenticate': challenge },
    });
  }

  private async verify(request: FastifyRequest, token: string): Promise<AccessTokenClaims> {
    // A token that is not even a JWS never costs a request to another service.
    if (token.split('.').length !== 3) throw unauthenticated('Bearer error="invalid_token"');
    const keys = await this.access.verificationKeys();
    const claims = this.verifiedTokens.verify(token, keys, Math.floor(Date.now() / 1000));
    const isGood =
      claims !== null &&
      (await this.boundTokens.mayUse({ claims, token }, request, this.config.publicUrl)) &&
      !(await this.access.isRevoked(claims));
    if (!isGood) throw unauthenticated('Bearer error="invalid_token"');
    return claims;
  }
}
