import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { IssuerStatus, Page, RecordedEvent } from '@countersign/contracts';
import { eventually, startStack, type ServiceName, type Stack, type StackOptions } from '@countersign/testing';
import { policy } from './documents';

/** Where a running system is and who administers it. */
export interface Target {
  url: string;
  adminToken: string;
  /** Only of a stack. */
  replicasOf?(name: ServiceName): { url: string }[];
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

const TRIES = 8;
const PAUSE_MS = 100;

/**
 * What clients do with a 503: the same again. A busy machine misses the deadlines between the services; a test of the
 * 503 itself asks once.
 */
export async function patiently(call: () => Promise<Answer>): Promise<Answer> {
  for (let tries = 1; ; tries += 1) {
    const answer = await call();
    if (answer.status !== 503 || tries === TRIES) return answer;
    await delay(PAUSE_MS);
  }
}

/**
 * An admin call with the bootstrap token; a string body goes out as YAML, anything else as JSON. What may be sent
 * twice without harm is sent again after a 503.
 */
export function admin(target: Target, method: string, path: string, body?: unknown): Promise<Answer> {
  const call = (): Promise<Answer> => adminOnce(target, method, path, body);
  return method === 'GET' || path.startsWith('/v1/apply') ? patiently(call) : call();
}

/** The same, whatever the answer. */
export async function adminOnce(target: Target, method: string, path: string, body?: unknown): Promise<Answer> {
  const type = typeof body === 'string' ? 'application/yaml' : 'application/json';
  const headers = {
    authorization: `Bearer ${target.adminToken}`,
    ...(body === undefined ? {} : { 'content-type': type }),
  };
  const payload = typeof body === 'string' ? body : JSON.stringify(body);
  return read(await fetch(target.url + path, { method, headers, ...(body === undefined ? {} : { body: payload }) }));
}

/**
 * Applies documents, and waits until every replica of discovery has heard of their issuers, which is a little later.
 * Throws with the answer when they are refused.
 */
export async function apply(target: Target, documents: object[]): Promise<Answer> {
  const answer = await admin(target, 'POST', '/v1/apply', documents);
  if (answer.status !== 200) throw new Error(`apply: ${answer.status} ${JSON.stringify(answer.body)}`);
  const issuers = (documents as { kind: string; spec: { iss: string } }[]).filter(({ kind }) => kind === 'JwtIssuer');
  const { adminToken } = target;
  const places = target.replicasOf?.('discovery').map(({ url }) => ({ url, adminToken })) ?? [target];
  if (issuers.length > 0)
    await Promise.all(places.map((place) => knows(place, new Set(issuers.map(({ spec }) => spec.iss)))));
  return answer;
}

const knows = (discovery: Target, wanted: Set<string>): Promise<void> =>
  eventually(async () => {
    const { items } = (await admin(discovery, 'GET', '/v1/issuers/status')).body as Page<IssuerStatus>;
    const missing = [...wanted].filter((iss) => !items.some((one) => one.iss === iss));
    if (missing.length > 0) throw new Error(`discovery has not heard of ${missing.join(', ')}`);
  });

/** Leaves one Policy that no Role names, since nothing at all cannot be applied. */
export async function removeDocuments(target: Target): Promise<void> {
  const nothing = policy('nothing', ['Nothing:Do'], ['*']);
  expect((await admin(target, 'POST', '/v1/apply?prune=true', [nothing])).status).toBe(200);
}

type Fields = Record<string, string> | URLSearchParams;

/** A request to the token endpoint with exactly these form fields; the same again after a 503. */
export const requestToken = (
  target: Pick<Target, 'url'>,
  fields: Fields,
  headers: Record<string, string> = {},
): Promise<Answer> => patiently(() => requestTokenOnce(target, fields, headers));

async function requestTokenOnce(
  { url }: Pick<Target, 'url'>,
  fields: Fields,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return read(await fetch(`${url}/oauth2/token`, { method: 'POST', body: new URLSearchParams(fields), headers }));
}

/** A token exchange (RFC 8693) of a JWT, with further form fields; they win over ours. The same again after a 503. */
export const exchange = (
  target: Pick<Target, 'url'>,
  subjectToken: string,
  fields: Fields = {},
  headers: Record<string, string> = {},
): Promise<Answer> => requestToken(target, exchangeForm(subjectToken, fields), headers);

/** The same, whatever the answer. */
export const exchangeOnce = (target: Pick<Target, 'url'>, subjectToken: string): Promise<Answer> =>
  requestTokenOnce(target, exchangeForm(subjectToken, {}));

function exchangeForm(subjectToken: string, fields: Fields): URLSearchParams {
  const form = new URLSearchParams(fields);
  const own = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: subjectToken,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  };
  for (const [name, value] of Object.entries(own)) if (!form.has(name)) form.set(name, value);
  return form;
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
      // In order a service takes its leave for a second: other tests see to that.
      await Promise.all(stack.services.map((service) => service.kill('SIGKILL')));
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
