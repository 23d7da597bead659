import { printAnswer, printOk, printRequest, redact } from './demo-print';

/** A step did not go as it had to. */
export class DemoFailure extends Error {}

/** Ends the demo unless `holds`; says so when it does. */
export function expectThat(holds: boolean, what: string): void {
  if (!holds) throw new DemoFailure(`expected: ${what}`);
  printOk(what);
}

export interface DemoCall {
  method: string;
  path: string;
  body?: string | URLSearchParams | object;
  contentType?: string;
  admin?: boolean;
  /** Print nothing of this call. */
  quiet?: boolean;
}

export interface DemoAnswer {
  status: number;
  body: Record<string, unknown>;
}

const MAX_SHOWN = 600;

/** Calls a server and prints the request line and the answer as they are, credentials abbreviated. */
export class DemoClient {
  constructor(
    readonly url: string,
    private readonly adminToken: string,
  ) {}

  async call({ method, path, body, contentType, admin = true, quiet = false }: DemoCall): Promise<DemoAnswer> {
    const { encoded, type } = encode(body);
    const headers = new Headers();
    if (admin) headers.set('authorization', `Bearer ${this.adminToken}`);
    const contentTypeSent = contentType ?? type;
    if (contentTypeSent !== null) headers.set('content-type', contentTypeSent);
    const response = await fetch(this.url + path, { method, headers, body: encoded });
    const text = await response.text();
    if (!quiet) {
      printRequest(`${method} ${path}`);
      printAnswer(response.status, shorten(redact(text)));
    }
    return { status: response.status, body: parse(text) };
  }
}

/** Objects go as JSON; text and forms as they are (`fetch` names the type of a form itself). */
function encode(body: DemoCall['body']): { encoded: string | URLSearchParams | null; type: string | null } {
  if (body === undefined) return { encoded: null, type: null };
  if (typeof body === 'string' || body instanceof URLSearchParams) return { encoded: body, type: null };
  return { encoded: JSON.stringify(body), type: 'application/json' };
}

const shorten = (text: string): string => (text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)} …` : text);

function parse(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/** Asks again until `ask` finds something; the trail is written a moment after the answer. */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined>, seconds = 60): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  while (Date.now() < deadline) {
    const found = await ask();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new DemoFailure(`expected within ${seconds} seconds: ${what}`);
}
