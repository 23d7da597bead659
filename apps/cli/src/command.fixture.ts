import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { runProgram } from './program';
import type { Terminal } from './terminal';

export interface Seen {
  /** As in `GET /v1/pins?limit=7`. */
  line: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** Answers with JSON, or with nothing for null. */
export function send(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body === null ? '' : JSON.stringify(body));
}

/** The command, in a folder of its own for each test, and a server that notes what it is asked. */
export class CommandUnderTest {
  url = '';
  folder = '';
  seen: Seen[] = [];
  /** How the server answers; at the start of each test with an empty list. */
  respond = (response: ServerResponse, _request: Seen): void => send(response, { items: [], nextCursor: null });

  /** Has every request answered with this from now on. */
  answer = (body: unknown, status = 200): void => void (this.respond = (response) => send(response, body, status));

  get env(): Terminal['env'] {
    return { COUNTERSIGN_URL: this.url, COUNTERSIGN_TOKEN: 'admin-secret' };
  }

  run = async (
    args: string[],
    changes: Partial<Terminal> = {},
  ): Promise<{ code: number; out: string; err: string }> => {
    let [out, err] = ['', ''];
    const terminal: Terminal = {
      ...{ env: this.env, cwd: this.folder, isTty: false, readStdin: () => Promise.resolve('') },
      write: (written) => void (out += written),
      writeError: (written) => void (err += written),
      ...changes,
    };
    return { code: await runProgram(terminal, args), out, err };
  };

  /** Writes a file into the folder of the test; answers with its name. */
  file = (name: string, content: string): string => {
    mkdirSync(dirname(join(this.folder, name)), { recursive: true });
    writeFileSync(join(this.folder, name), content);
    return name;
  };
}

/** For the top of a spec: starts the server, and tidies up. */
export function commandUnderTest(): CommandUnderTest {
  const command = new CommandUnderTest();
  const server = createServer((incoming, response) => {
    const { method, url = '', headers } = incoming;
    void text(incoming).then((body) => {
      const seen = { line: `${method} ${url}`, url, headers, body };
      command.seen.push(seen);
      command.respond(response, seen);
    });
  });
  beforeAll(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    command.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  beforeEach(() => {
    command.seen = [];
    command.answer({ items: [], nextCursor: null });
    command.folder = mkdtempSync(join(tmpdir(), 'countersign-cli-'));
  });
  afterEach(() => rmSync(command.folder, { recursive: true }));
  afterAll(async () => {
    server.closeAllConnections();
    await once(server.close(), 'close');
  });
  return command;
}
