import { EXIT, Failure } from './failure';
import { failureOf } from './format-failure';
import { readSettings } from './settings';
import type { Terminal } from './terminal';

export interface Call {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  query?: Record<string, string | undefined>;
  body?: string | URLSearchParams;
  contentType?: string;
  /** Instead of a limit of 30 s: ends the call, also while its answer is read. */
  signal?: AbortSignal;
  lastEventId?: string;
  /** Send the admin token; the default. */
  authenticated?: boolean;
  /** Names the source of a document that an error points at. */
  placeOf?: (documentIndex: number) => string | null;
}

const TIMEOUT_MS = 30_000;

/** One call to countersign. Resolves to the parsed body of a 2xx answer; anything else is a `Failure`. */
export async function callApi<T>(terminal: Terminal, call: Call): Promise<T> {
  return parse((await callForBytes(terminal, call)).toString()) as T;
}

/** The same with the body as it is. */
export async function callForBytes(terminal: Terminal, call: Call): Promise<Buffer> {
  const response = await answerTo(terminal, call);
  const body = Buffer.from(await response.arrayBuffer());
  if (!response.ok) throw failureOf(response.status, parse(body.toString()), call.placeOf);
  return body;
}

/** The same with the body as it comes; `signal` is needed for one that does not end. */
export async function callForStream(terminal: Terminal, call: Call): Promise<AsyncIterable<Uint8Array>> {
  const response = await answerTo(terminal, call);
  if (!response.ok) throw failureOf(response.status, parse(await response.text()));
  return (response.body ?? []) as AsyncIterable<Uint8Array>;
}

async function answerTo(terminal: Terminal, call: Call): Promise<Response> {
  const { url, token } = readSettings(terminal);
  const headers: Record<string, string> = { accept: 'application/json, */*' };
  if (token !== null && call.authenticated !== false) headers['authorization'] = `Bearer ${token}`;
  if (call.contentType !== undefined) headers['content-type'] = call.contentType;
  if (call.lastEventId !== undefined) headers['last-event-id'] = call.lastEventId;
  return reach(`${url}${call.path}${queryOf(call.query)}`, {
    method: call.method ?? 'GET',
    headers,
    signal: call.signal ?? null,
    ...(call.body === undefined ? {} : { body: call.body }),
  });
}

/** `fetch` that says what to do when nobody answers. */
export async function reach(url: string, init: RequestInit = {}): Promise<Response> {
  try {
    return await fetch(url, { ...init, redirect: 'error', signal: init.signal ?? AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    const { origin } = new URL(url);
    throw new Failure(
      EXIT.unreachable,
      `cannot reach ${origin}: ${reasonOf(error)}`,
      'Is it running (`npm start`)? Is COUNTERSIGN_URL right?',
    );
  }
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return 'the request failed';
  const code = (cause as NodeJS.ErrnoException).code;
  return cause.message || (typeof code === 'string' ? code : cause.name);
}

function queryOf(query: Call['query'] = {}): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
}

function parse(text: string): unknown {
  if (text === '') return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
