import { REFUSAL_CLASS, type Page, type RecordedEvent, type RefusalReason } from '@countersign/contracts';
import {
  eventually,
  generateIssuerKey,
  startLocalIssuer,
  type IssuerKey,
  type LocalIssuer,
} from '@countersign/testing';
import { admin, apply, eventsOf, exchange, type Answer } from './client';
import { githubClaims, jwtIssuer, policy, role, type Spec } from './documents';
import type { EmbeddedSystem } from './embedded';
import { forge } from './forge';

interface AttackedOptions {
  /** Further fields of the JwtIssuer. */
  spec?: Spec;
  /** Further keys that the issuer publishes. */
  keys?: IssuerKey[];
}

/** What a caller sees of one attempt, and what the trail says of it. */
export interface Outcome {
  status: number;
  headers: Record<string, string | null>;
  /** The answer without its trace id; an access token is replaced by its form. */
  body: Record<string, unknown>;
  recorded: unknown[];
  /** Status of a good token right after: with the same `jti` where the attempt had a usable one of this issuer. */
  goodTokenAfter: number;
}

const headers = { 'cache-control': 'no-store', 'content-type': 'application/json', location: null };

/** REFUSE_TOKEN of THREATS: the class alone, nothing stored, one event with the reason. */
export const refused = (reason: RefusalReason): unknown => ({
  status: 400,
  headers,
  body: { error: 'invalid_request', error_description: REFUSAL_CLASS[reason] },
  recorded: [['dev.countersign.exchange.denied.v1', 'denied', REFUSAL_CLASS[reason], reason]],
  goodTokenAfter: 200,
});

/** ACCEPT of THREATS. The token is used up by it. */
export const accepted: unknown = {
  status: 200,
  headers,
  body: { token_type: 'Bearer', access_token: 'a compact JWS' },
  recorded: [['dev.countersign.exchange.granted.v1', 'granted', null, null]],
  goodTokenAfter: 400,
};

/** An embedded system, with one trusted issuer whose keys have the kids of THREATS. */
export class AttackedSystem {
  /** Texts of tokens that were presented: none of them may be found in a log or in the trail. */
  private readonly presented: string[] = [];
  readonly traceIds: string[] = [];

  private constructor(
    readonly system: EmbeddedSystem,
    readonly issuer: LocalIssuer,
  ) {}

  /** a1 RS256, a2 ES256, a3 EdDSA, a4 ES384; a role lets repository 1001 in. */
  static async on(
    system: EmbeddedSystem,
    { spec = {}, keys: further = [] }: AttackedOptions = {},
  ): Promise<AttackedSystem> {
    const issuer = await startLocalIssuer();
    const algorithms = ['RS256', 'ES256', 'EdDSA', 'ES384'] as const;
    const keys = await Promise.all(algorithms.map((alg, index) => generateIssuerKey(alg, `a${index + 1}`)));
    issuer.keys.splice(0, 1, ...keys, ...further);
    const attacked = new AttackedSystem(system, issuer);
    await apply(system, [
      jwtIssuer('github', issuer.iss, spec),
      policy('deploy', ['Function:Deploy'], ['*']),
      attacked.role('deployers'),
    ]);
    return attacked;
  }

  async stop(): Promise<void> {
    await this.issuer.stop();
  }

  /** A role for repository 1001 of the issuer. */
  role(name: string, iss: string = this.issuer.iss): object {
    const condition = { StringEqual: { 'jwt:iss': [iss], 'jwt:repository_id': ['1001'] } };
    return role(name, { policy: ['deploy'], condition });
  }

  key(kid: string): IssuerKey {
    const key = this.issuer.keys.find((one) => one.kid === kid);
    if (key === undefined) throw new Error(`no key ${kid}`);
    return key;
  }

  claims(changes: Record<string, unknown> = {}): Record<string, unknown> {
    return githubClaims(this.issuer.iss, changes);
  }

  /** A good token with these claims changed, or with this text in place of the claims. */
  token(claims: Record<string, unknown> | string | Uint8Array = {}, header: object = {}, kid = 'a2'): string {
    const key = this.key(kid);
    const isText = typeof claims === 'string' || claims instanceof Uint8Array;
    return forge({ alg: key.alg, kid, typ: 'JWT', ...header }, isText ? claims : this.claims(claims), key);
  }

  /** One attempt, and what came of it. */
  async present(token: string, fields: Record<string, string> = {}): Promise<Outcome> {
    const answer = await exchange(this.system, token, fields);
    const { iss, jti } = claimsIn(token);
    const isUsable = iss === this.issuer.iss && typeof jti === 'string' && /^[\w-]{8,64}$/.test(jti);
    const [recorded, after] = await Promise.all([
      this.recordedOf(answer, token),
      exchange(this.system, this.token(isUsable ? { jti } : {})),
    ]);
    return { ...outcomeOf(answer), recorded, goodTokenAfter: after.status };
  }

  /** What of the tokens presented so far stands in the trail or in what the process printed. */
  async leaked(): Promise<string[]> {
    const events = JSON.stringify(await this.allEvents()) + this.system.output();
    return this.presented.filter((text) => events.includes(text));
  }

  /** Trace ids of attempts that the trail holds more or less than once. */
  async notRecordedOnce(): Promise<string[]> {
    const events = await this.allEvents();
    const count = (traceId: string): number => events.filter(({ data }) => data.traceId === traceId).length;
    return this.traceIds.filter((traceId) => count(traceId) !== 1);
  }

  private async recordedOf({ status, headers: all, body }: Answer, token: string): Promise<unknown[]> {
    const signature = token.slice(token.lastIndexOf('.') + 1);
    if (signature.length > 40 && !/^(.)\1*$/.test(signature)) this.presented.push(signature);
    const events = status === 200 ? await this.eventsOfGrant(body) : await eventsOf(this.system, body.trace_id);
    this.traceIds.push(...events.map(({ data }) => String(data.traceId)));
    // AUD-03: who it was, and how to find it.
    const whose = { sourceIp: '127.0.0.1', requestId: all.get('x-request-id') };
    for (const { data } of events) expect(data).toMatchObject(whose);
    return events.map(({ type, data }) => [type, data.outcome, data.class, data.reason]);
  }

  private eventsOfGrant({ access_token: token }: Answer['body']): Promise<RecordedEvent[]> {
    const { jti } = claimsIn(String(token));
    return eventually(async () => {
      const events = (await this.page('type=dev.countersign.exchange.granted.v1&limit=50')).items;
      const own = events.filter(({ data }) => JSON.stringify(data.token).includes(String(jti)));
      if (own.length === 0) throw new Error('not recorded yet');
      return own;
    });
  }

  private async allEvents(): Promise<RecordedEvent[]> {
    const events: RecordedEvent[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: Page<RecordedEvent> = await this.page(`limit=500${cursor === '' ? '' : `&cursor=${cursor}`}`);
      events.push(...page.items);
      cursor = page.nextCursor;
    }
    return events;
  }

  private async page(query: string): Promise<Page<RecordedEvent>> {
    return (await admin(this.system, 'GET', `/v1/events?${query}`)).body as Page<RecordedEvent>;
  }
}

function outcomeOf({ status, headers: all, body }: Answer): Pick<Outcome, 'status' | 'headers' | 'body'> {
  const { trace_id: _trace, ...refusal } = body as Record<string, unknown>;
  const form = /^[\w-]+\.[\w-]+\.[\w-]+$/.test(String(body.access_token)) ? 'a compact JWS' : 'no JWS';
  const shown = Object.entries(headers).map(([name]) => [name, all.get(name)?.replace(/; charset=utf-8$/, '') ?? null]);
  return {
    status,
    headers: Object.fromEntries(shown) as Record<string, string | null>,
    body: status === 200 ? { token_type: body.token_type, access_token: form } : refusal,
  };
}

/** Claims of whatever this is; none when it is no token. */
function claimsIn(token: string): { iss?: unknown; jti?: unknown } {
  try {
    return (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) ?? {}) as { jti?: unknown };
  } catch {
    return {};
  }
}
