import type { ServerResponse } from 'node:http';

/** Ways in which an issuer disappoints. */
export type IssuerFailure =
  /** An error with this status. */
  | { status: number }
  /** Sends the fetcher elsewhere. */
  | { redirect: string }
  /** Accepts the request and never answers. */
  | 'hang'
  /** Breaks the connection off in the middle of the body. */
  | 'cut'
  | 'not-json'
  /** A body of many megabytes. */
  | 'huge'
  /** A key set without keys, or metadata without members. */
  | 'empty'
  /** Exactly this body. */
  | { body: unknown };

const HUGE_BYTES = 16 * 1024 * 1024;

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(text);
}

/** Answers as the failure says; with the document when there is none. */
export function respondWith(response: ServerResponse, failure: IssuerFailure | undefined, document: object): void {
  if (failure === undefined) return answer(response, 200, JSON.stringify(document));
  if (typeof failure === 'object') return respondWithGiven(response, failure);
  switch (failure) {
    case 'hang':
      return;
    case 'cut':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      response.write('{"keys":', () => response.destroy());
      return;
    case 'not-json':
      return answer(response, 200, '<html>Sign in</html>');
    case 'huge':
      return answer(response, 200, `{"keys":[],"x":"${'x'.repeat(HUGE_BYTES)}"}`);
    case 'empty':
      return answer(response, 200, 'keys' in document ? '{"keys":[]}' : '{}');
  }
}

function respondWithGiven(response: ServerResponse, failure: Exclude<IssuerFailure, string>): void {
  if ('status' in failure) answer(response, failure.status, '{"error":"failed"}');
  else if ('redirect' in failure) response.writeHead(302, { location: failure.redirect }).end();
  else answer(response, 200, JSON.stringify(failure.body));
}
