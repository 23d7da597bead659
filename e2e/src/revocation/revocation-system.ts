import { connect } from 'node:net';
import { once } from 'node:events';
import { eventually, startLocalIssuer, type LocalIssuer, type Stack } from '@countersign/testing';
import {
  admin,
  apply,
  claimsOf,
  exchange,
  patiently,
  startTestStack,
  type Answer,
  type Target,
} from '../support/client';
import { githubClaims, jwtIssuer, policy, role } from '../support/documents';

const ROLES = {
  deployers: { policy: ['deploy'] },
  readers: { policy: ['read'] },
  watchers: { policy: ['watch'] },
  thrice: { policy: ['deploy'], maxUses: 3 },
};

/** The distributed mode with two replicas of everything that knows of revocations, and one trusted issuer. */
export class RevocationSystem {
  private constructor(
    readonly stack: Stack,
    readonly issuer: LocalIssuer,
  ) {}

  static async start(): Promise<RevocationSystem> {
    const replicas = { exchange: 2, policy: 2 };
    const [stack, issuer] = await Promise.all([startTestStack({ replicas }), startLocalIssuer()]);
    const roles = Object.entries(ROLES).map(([name, spec]) => {
      const condition = { StringEqual: { 'jwt:iss': [issuer.iss], 'jwt:actor': [name] } };
      return role(name, { ...spec, condition });
    });
    await apply(stack, [
      jwtIssuer('github', issuer.iss, { carry: ['run_id'], clockSkew: '60s' }),
      policy('deploy', ['Function:Deploy'], ['*']),
      policy('read', ['Iam:Read'], ['countersign:*']),
      policy('watch', ['Token:Introspect', 'Decision:Evaluate'], ['countersign:*']),
      ...roles,
    ]);
    const system = new RevocationSystem(stack, issuer);
    // Each replica of the exchange hears of the new issuer by itself.
    for (const at of system.replicas('exchange')) await eventually(() => system.token('deployers', {}, at));
    return system;
  }

  async stop(): Promise<void> {
    await this.stack.stop();
    await this.issuer.stop();
  }

  /** Both replicas of a service, each to be called by itself. */
  replicas(name: 'exchange' | 'policy'): Target[] {
    const { adminToken } = this.stack;
    return this.stack.replicasOf(name).map(({ url }) => ({ url, adminToken }));
  }

  /** An issued token under the role of that name. */
  async token(
    actor: keyof typeof ROLES,
    changes: Record<string, unknown> = {},
    at: Target = this.stack,
  ): Promise<string> {
    const claims = githubClaims(this.issuer.iss, { actor, ...changes });
    const { status, body } = await exchange(at, await this.issuer.sign(claims));
    if (status !== 200) throw new Error(`exchange: ${status} ${JSON.stringify(body)}`);
    return body.access_token as string;
  }

  async narrow(token: string): Promise<string> {
    const subject_token_type = 'urn:ietf:params:oauth:token-type:access_token';
    const { status, body } = await exchange(this.stack, token, { subject_token_type });
    if (status !== 200) throw new Error(`narrowing: ${status} ${JSON.stringify(body)}`);
    return body.access_token as string;
  }

  revoke(token: string, at: Target = this.stack): Promise<Answer> {
    return form(`${at.url}/oauth2/revoke`, { token });
  }

  introspect(token: string, at: Target = this.stack, bearer = at.adminToken): Promise<Answer> {
    return form(`${at.url}/oauth2/introspect`, { token }, bearer);
  }

  /** The decision of one replica of policy, or its status when it makes none. */
  async decide(token: string, at: Target): Promise<boolean | number> {
    const { status, body } = await this.evaluate(token, at);
    return status === 200 ? (body.decision as boolean) : status;
  }

  private evaluate(token: string, at: Target): Promise<Answer> {
    return admin(at, 'POST', '/access/v1/evaluation', {
      subject: { type: 'access_token', id: token },
      action: { name: 'Function:Deploy' },
      resource: { type: 'function', id: 'web' },
    });
  }

  /** Whether the token counts, as each replica sees it: introspection at the two, then decisions at the two. */
  async seen(token: string): Promise<unknown[]> {
    const introspected = this.replicas('exchange').map(async (at) => {
      const { status, body } = await patiently(() => this.introspect(token, at));
      return status === 200 ? (body.active as boolean) : status;
    });
    const decided = this.replicas('policy').map(async (at) => {
      const { status, body } = await patiently(() => this.evaluate(token, at));
      return status === 200 ? (body.decision as boolean) : status;
    });
    return Promise.all([...introspected, ...decided]);
  }

  /** Makes Redis forget that a token was revoked, as the loss of its newest writes would. */
  async forgetInRedis(token: string): Promise<void> {
    const heard = await this.redis(`DEL ${markOf(token)}`);
    if (!heard.includes(':1')) throw new Error(`nothing was deleted: ${heard}`);
  }

  /** What another replica does that revokes a token, before anybody has heard of it. */
  async markInRedis(token: string): Promise<void> {
    await this.redis(`SET ${markOf(token)} revoked EX 60`);
  }

  /** One command as the exchange's own user. */
  private async redis(command: string): Promise<string> {
    const { hostname, port, username, password } = new URL(this.stack.redisUrl('exchange'));
    const socket = connect(Number(port), hostname);
    socket.write(`AUTH ${username} ${password}\r\n${command}\r\nQUIT\r\n`);
    let heard = '';
    socket.on('data', (data: Buffer) => (heard += data.toString()));
    await once(socket, 'close');
    return heard;
  }
}

const markOf = (token: string): string => `cs:exchange:revoked:${String(claimsOf(token).jti)}`;

/** Posts a form; the answer's body parsed where it is JSON. */
export async function form(url: string, fields: Record<string, string>, bearer?: string): Promise<Answer> {
  const headers = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
  const response = await fetch(url, { method: 'POST', headers, body: new URLSearchParams(fields) });
  const text = await response.text();
  const body: unknown = text.startsWith('{') ? JSON.parse(text) : text;
  return { status: response.status, headers: response.headers, body };
}

export const ALIVE = [true, true, true, true];
export const DEAD = [false, false, false, false];
export const UNKNOWN = [503, 503, 503, 503];
