import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { refuseJson, type JsonLimits, type JsonRefusal } from '@countersign/tokens';
import { UnsupportedMediaTypeException } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Metrics } from './metrics';
import { ProblemError, isOAuthPath } from './problem';
import { newTrace } from './trace';

export interface HttpServerOptions {
  /** Addresses and ranges whose `X-Forwarded-For` counts. */
  trustedProxies: string[];
  /** Whether clients reach us over TLS. */
  isSecure: boolean;
  metrics: Metrics;
  /** From when it says so, each answer is the last of its connection. */
  isStopping: () => boolean;
}

const MAX_BODY_BYTES = 1024 * 1024;
/** A request that is not all there by then is cut off, however steadily it dribbles. */
const REQUEST_WITHIN_MS = 12_000;
/** Node looks for such requests every 30 s unless told. */
const LOOK_EVERY_MS = 1_000;
/** Nothing we answer is for a browser to keep, to frame, to sniff, or to run. */
const HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
};
const HSTS = { 'strict-transport-security': 'max-age=31536000' };
const JSON_LIMITS: JsonLimits = { depth: 32, members: 100_000 };
const JSON_REFUSALS: Record<JsonRefusal, string> = {
  json: 'it cannot be parsed',
  json_not_object: 'it is empty',
  json_depth: 'it is nested too deeply',
  json_members: 'it has too many members',
  json_proto: 'a member has the name of one that every object has',
  json_duplicate_member: 'a member is repeated',
  bom: 'it begins with a byte order mark',
  utf8: 'it is not valid Unicode',
};
const noCompiler = () => (): never => {
  throw new Error('bodies are read by parseBody');
};
/** What different readers of JSON understand differently is refused here, for every endpoint. */
function parseJson(_: unknown, body: string, done: (error: Error | null, body?: unknown) => void): void {
  if (body === '') return done(null, undefined);
  const refusal = refuseJson(body, JSON_LIMITS);
  if (refusal !== null) done(new ProblemError('malformed-request', `The JSON was refused: ${JSON_REFUSALS[refusal]}.`));
  else done(null, JSON.parse(body));
}

/** Forms and YAML are handed on as text, so that whoever reads them sees duplicates. */
function readBodies(server: FastifyInstance): void {
  const asText = (_: unknown, body: string, done: (error: null, body: string) => void): void => done(null, body);
  server.removeAllContentTypeParsers();
  const textTypes = [
    'application/x-www-form-urlencoded',
    'application/yaml',
    'application/x-yaml',
    'text/yaml',
    'text/plain',
  ];
  for (const type of textTypes) server.addContentTypeParser(type, { parseAs: 'string' }, asText);
  server.addContentTypeParser('application/json', { parseAs: 'string' }, parseJson);
  server.addContentTypeParser('*', { parseAs: 'string' }, (request, body, done) => {
    // OAuth endpoints judge the media type themselves: their errors have a form of their own (RFC 6749 §5.2).
    if (isOAuthPath(request.url)) done(null, body);
    else done(new UnsupportedMediaTypeException());
  });
}

/** What is not even HTTP: the connection has no request to answer, so the answer is written as it goes out. */
function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  const status = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const { traceId, requestId } = newTrace();
  const title = STATUS_CODES[status];
  const body = JSON.stringify({ type: 'about:blank', title, status, detail: 'The request was refused.', traceId });
  const headers = { ...HEADERS, 'x-request-id': requestId, 'content-type': 'application/problem+json' };
  const lines = Object.entries({ ...headers, 'content-length': body.length, connection: 'close' });
  if (error.code !== 'ECONNRESET' && socket.writable)
    socket.write(`HTTP/1.1 ${status} ${title}\r\n${lines.map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n${body}`);
  socket.destroy();
}

/**
 * The Fastify server every service listens with: bounded bodies, headers and times; a trace, `X-Request-Id` and the
 * headers for browsers on every answer.
 */
export function createHttpServer({ trustedProxies, isSecure, metrics, isStopping }: HttpServerOptions): FastifyAdapter {
  const headers = isSecure ? { ...HEADERS, ...HSTS } : HEADERS;
  const begin = (request: FastifyRequest, reply: FastifyReply): void => {
    request.trace = newTrace(request.headers['x-request-id']);
    void reply.headers(headers).header('x-request-id', request.trace.requestId);
    if (isStopping()) void reply.header('connection', 'close');
  };
  const adapter = new FastifyAdapter({
    // Nest's adapter would run an engine for middleware on every request; we have none.
    skipMiddie: true,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_WITHIN_MS,
    connectionTimeout: REQUEST_WITHIN_MS,
    http: { connectionsCheckingInterval: LOOK_EVERY_MS },
    keepAliveTimeout: 65_000,
    routerOptions: { maxParamLength: 512 },
    trustProxy: trustedProxies.length > 0 ? trustedProxies : false,
    forceCloseConnections: 'idle',
    // No route has a schema of Fastify's, and its compilers would be loaded at each start.
    schemaController: { compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler } },
    // What still comes over an open connection is answered, and the connection closed after it.
    return503OnClosing: false,
    clientErrorHandler: answerClientError,
    // A path that cannot be decoded: the router refuses it before any hook runs, and would quote it.
    frameworkErrors: (_error: Error, request: FastifyRequest, reply: FastifyReply) => {
      begin(request, reply);
      const problem = new ProblemError('malformed-request', 'The path cannot be read.');
      void reply
        .code(problem.status)
        .type('application/problem+json')
        .send(JSON.stringify(problem.body(request.trace.traceId)));
    },
  });
  const server = adapter.getInstance();
  readBodies(server);
  server.decorateRequest('trace');
  server.addHook('onRequest', (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
    begin(request, reply);
    done();
  });
  server.addHook('onResponse', (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
    const route = request.routeOptions.url ?? 'unmatched';
    metrics.requests.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1000);
    done();
  });
  return adapter;
}
