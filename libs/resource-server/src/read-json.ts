import { isObject } from './values';

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

const MAX_BYTES = 256 * 1024;

/** The JSON object in an answer with status 200, of at most 256 KiB, without following redirects. Throws. */
export async function readJson(
  url: string,
  { fetch, timeoutMs, init = {} }: { fetch: Fetch; timeoutMs: number; init?: RequestInit },
): Promise<Record<string, unknown>> {
  const signal = AbortSignal.timeout(timeoutMs);
  const response = await fetch(url, { ...init, redirect: 'error', signal });
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}`);
  const value: unknown = JSON.parse(await textOf(response, url));
  if (!isObject(value)) throw new Error(`${url} answered no JSON object`);
  return value;
}

async function textOf({ body }: Response, url: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new Error(`${url} answered more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
