import { randomUUID } from 'node:crypto';
import { pooledRandom } from './pooled-random';

/** Where a piece of work belongs: our trace (W3C Trace Context, 32 and 16 hex digits) and the caller's request id. */
export interface Trace {
  traceId: string;
  spanId: string;
  requestId: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Where the request belongs; createHttpServer sees to it. */
    trace: Trace;
  }
}

/** A trace on its way between our services, as the headers `traceparent` and `x-request-id` would have it. */
export interface CarriedTrace {
  traceparent?: string | undefined;
  requestId?: string | undefined;
}

const SAFE_REQUEST_ID = /^[\w.:+/=@-]{1,128}$/;
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/;

/** A new trace of our own; the caller's request id is kept when it is at most 128 safe characters. */
export function newTrace(requestId?: unknown): Trace {
  return {
    traceId: pooledRandom(16).toString('hex'),
    spanId: pooledRandom(8).toString('hex'),
    requestId: typeof requestId === 'string' && SAFE_REQUEST_ID.test(requestId) ? requestId : randomUUID(),
  };
}

/** The `traceparent` header (W3C Trace Context §3.2) of a trace, always sampled. */
export const traceparent = (trace: Trace): string => `00-${trace.traceId}-${trace.spanId}-01`;

/** The trace id that was carried, when there is one. */
export const carriedTraceId = (carried: CarriedTrace): string | undefined =>
  TRACEPARENT.exec(carried.traceparent ?? '')?.[1];

/** Continues the trace of another of our services, in a span of its own; a new one when none was carried. */
export function traceFromHeaders(carried: CarriedTrace): Trace {
  const trace = newTrace(carried.requestId);
  const traceId = carriedTraceId(carried);
  return traceId === undefined ? trace : { ...trace, traceId };
}
