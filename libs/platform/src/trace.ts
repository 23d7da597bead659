import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { pooledRandom } from './pooled-random';

/** Where a piece of work belongs: our trace (W3C Trace Context, 32 and 16 hex digits) and the caller's request id. */
export interface Trace {
  traceId: string;
  spanId: string;
  requestId: string;
}

const storage = new AsyncLocalStorage<Trace>();

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

/** The trace of the work at hand, if it has one. */
export const traceInForce = (): Trace | undefined => storage.getStore();

/** The trace of the work at hand; a new one outside of any. */
export const currentTrace = (): Trace => storage.getStore() ?? newTrace();

/** Runs work, and all that it awaits, within a trace. */
export const runInTrace = <T>(trace: Trace, work: () => T): T => storage.run(trace, work);

/** The `traceparent` header (W3C Trace Context §3.2) of a trace, always sampled. */
export const traceparent = (trace: Trace): string => `00-${trace.traceId}-${trace.spanId}-01`;

/** Continues the trace of another of our services from its message headers. */
export function traceFromHeaders(traceparentHeader: string | undefined, requestId: string | undefined): Trace {
  const [, traceId] = TRACEPARENT.exec(traceparentHeader ?? '') ?? [];
  const trace = newTrace(requestId);
  return traceId === undefined ? trace : { ...trace, traceId };
}
