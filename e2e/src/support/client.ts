import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page, RecordedEvent } from '@countersign/contracts';
import { eventually, startStack, type Stack, type StackOptions } from '@countersign/testing';

/** Where a running system is and who administers it. */
export interface Target {
  url: string;
  adminToken: string;
}

/** An HTTP answer, its body parsed where it is JSON. */
export interface Answer {
  status: number;
  headers: Headers;
  // The tests look into bodies freely; what they must look like is what is tested.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  body: any;
}

async function read(response: Response): Promise<Answer> {
  const text = await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}

/** An admin call with the bootstrap token; a string body goes out as YAML, anything else as JSON. */
export async function admin(target: Target, method: string, path: string, body?: unknown): Promise<Answer> {
  const type = typeof body === 'string' ? 'application/yaml' : 'application/json';
  const headers = {
    authorization: `Bearer ${target.adminToken}`,
    ...(body === undefined ? {} : { 'content-type': type }),
  };
  const payload = typeof body === 'string' ? body : JSON.stringify(body);
  return read(await fetch(target.url + path, { method, headers, ...(body === undefined ? {} : { body: payload }) }));
}

/** Applies documents; throws with the answer when they are refused. */
export async function apply(target: Target, documents: object[]): Promise<Answer> {
  const answer = await admin(target, 'POST', '/v1/apply', documents);
  if (answer.status !== 200) throw new Error(`apply: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer;
}

type Fields = Record<string, string> | URLSearchParams;

/** A request to the token endpoint with exactly these form fields. */
export async function requestToken(
  { url }: Pick<Target, 'url'>,
  fields: Fields,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return read(await fetch(`${url}/oauth2/token`, { method: 'POST', body: new URLSearchParams(fields), headers }));
}

/** A token exchange (RFC 8693) of a JWT, with further form fields; they win over ours. */
export function exchange(
  target: Pick<Target, 'url'>,
  subjectToken: string,
  fields: Fields = {},
  headers: Record<string, string> = {},
): Promise<Answer> {
  const form = new URLSearchParams(fields);
  const own = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: subjectToken,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  };
  for (const [name, value] of Object.entries(own)) if (!form.has(name)) form.set(name, value);
  return requestToken(target, form, headers);
}

/** The events of one attempt, once there is at least one. */
export const eventsOf = (target: Target, traceId: string): Promise<RecordedEvent[]> =>
  eventually(async () => {
    const { status, body } = await admin(target, 'GET', `/v1/events?traceId=${traceId}`);
    const { items } = body as Page<RecordedEvent>;
    if (status !== 200 || items.length === 0) throw new Error(`no event of ${traceId} (${status})`);
    return items;
  });

/** Starts the distributed mode in a folder of its own that goes away with it; loopback issuers are allowed. */
export async function startTestStack(options: Omit<StackOptions, 'dataDir'> = {}): Promise<Stack> {
  const dataDir = await mkdtemp(join(tmpdir(), 'countersign-e2e-'));
  const stack = await startStack({
    ...options,
    dataDir,
    env: { COUNTERSIGN_ALLOW_LOOPBACK_ISSUERS: 'true', ...options.env },
  });
  return {
    ...stack,
    stop: async () => {
      await stack.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Claims of a token, unverified. */
export function claimsOf(token: string): Record<string, unknown> {
  const [, payload = ''] = token.split('.');
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
}
