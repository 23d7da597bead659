import { EXIT, Failure } from './failure';
import { failureOf } from './format-failure';
import { readSettings } from './settings';
import type { Terminal } from './terminal';

export interface Call {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  query?: Record<string, string | undefined>;
  body?: string | URLSearchParams;
  contentType?: string;
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

async function answerTo(terminal: Terminal, call: Call): Promise<Response> {
  const { url, token } = readSettings(terminal);
  const headers: Record<string, string> = { accept: 'application/json, */*' };
  if (token !== null && call.authenticated !== false) headers['authorization'] = `Bearer ${token}`;
  if (call.contentType !== undefined) headers['content-type'] = call.contentType;
  return reach(`${url}${call.path}${queryOf(call.query)}`, {
    method: call.method ?? 'GET',
    headers,
    ...(call.body === undefined ? {} : { body: call.body }),
  });
}

/** `fetch` that says what to do when nobody answers. */
export async function reach(url: string, init: RequestInit = {}): Promise<Response> {
  try {
    return await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
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
