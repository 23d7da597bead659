import type { ProvenRequest } from './dpop';
import { assertSecure } from './issuer-keys';
import { readJson, type Fetch } from './read-json';
import { isText } from './values';

export interface Question {
  /** The caller's access token. */
  token: string;
  action: string;
  /** `namespace:name`; AuthZEN has the part before the first colon as type. */
  resource: string;
  /** Facts of the request for the conditions of policies: `context:` keys. */
  context?: Record<string, unknown>;
  /** The proof that came with a bound token: countersign believes nobody about one without it. */
  dpop?: ProvenRequest;
}

export type DecisionAnswer = { ok: true; allowed: boolean } | { ok: false; reason: 'decision_unavailable' };

/** Asks countersign whether the policies of a token allow an action on a resource. */
export interface Decider {
  decide(question: Question): Promise<DecisionAnswer>;
}

export interface DeciderOptions {
  /** The public URL of countersign. */
  url: string;
  /** Of the enforcement point: a token whose policies allow `Decision:Evaluate`. A function is asked each time. */
  token: string | (() => string | Promise<string>);
  fetch?: Fetch;
  timeoutMs?: number;
  allowHttp?: boolean;
}

/** Over OpenID AuthZEN 1.0. Whatever goes wrong on the way is no decision; it is never an allowance. */
export function createDecider(options: DeciderOptions): Decider {
  const { url, token, fetch = globalThis.fetch, timeoutMs = 2_000, allowHttp = false } = options;
  assertSecure(url, allowHttp);
  const ask = async (question: Question): Promise<boolean> => {
    const own = typeof token === 'string' ? token : await token();
    const headers = { authorization: `Bearer ${own}`, 'content-type': 'application/json' };
    const init = { method: 'POST', headers, body: JSON.stringify(requestOf(question)) };
    const { decision } = await readJson(`${url}/access/v1/evaluation`, { fetch, timeoutMs, init });
    if (typeof decision !== 'boolean') throw new Error('no decision');
    return decision;
  };
  return {
    decide: (question) =>
      ask(question).then(
        (allowed): DecisionAnswer => ({ ok: true, allowed }),
        (): DecisionAnswer => ({ ok: false, reason: 'decision_unavailable' }),
      ),
  };
}

function requestOf({ token, action, resource, context, dpop }: Question): object {
  const [type = '', ...rest] = resource.split(':');
  const id = rest.join(':');
  if (!isText(type) || !isText(id)) throw new TypeError('a resource is written namespace:name');
  return {
    subject: { type: 'access_token', id: token },
    action: { name: action },
    resource: { type, id },
    context: { ...context, ...(dpop && { dpop }) },
  };
}
