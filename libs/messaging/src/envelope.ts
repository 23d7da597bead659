import { randomUUID } from 'node:crypto';
import type { AnnouncementContract, RequestContract } from '@countersign/contracts';
import { traceparent, type CarriedTrace, type DependencyName, type Trace } from '@countersign/platform';
import { z } from 'zod';

/** Raised when the frame around the payloads changes; another version is refused, never guessed at. */
const VERSION = 1;
/** The frame around several requests, and around their answers. Who does not know it says `malformed`. */
const GATHERED_VERSION = 2;
/** Most requests in a message. */
export const MOST_GATHERED = 64;

const REPLY_ERRORS = ['malformed', 'failed', 'too_large', 'alone'] as const;

/** As much as any trace or request id has. */
const MOST_TRACE = 256;

const id = z.string().min(1).max(64);
/** Absent from requests that belong to no trace, and from those of older versions, whose trace stands in the headers. */
const carriedTrace = {
  traceparent: z.string().max(MOST_TRACE).optional(),
  requestId: z.string().max(MOST_TRACE).optional(),
};
const requestEnvelope = z.discriminatedUnion('v', [
  z.object({ v: z.literal(VERSION), id, ...carriedTrace, input: z.unknown() }),
  z.object({
    v: z.literal(GATHERED_VERSION),
    id,
    items: z
      .array(z.object({ ...carriedTrace, input: z.unknown().optional() }))
      .min(1)
      .max(MOST_GATHERED),
  }),
]);
const outcome = { output: z.unknown().optional(), error: z.enum(REPLY_ERRORS).optional() };
const replyEnvelope = z.object({ v: z.literal(VERSION), id: z.string(), ...outcome });
const gatheredReplyEnvelope = z.union([
  replyEnvelope,
  z.object({ v: z.literal(GATHERED_VERSION), id: z.string(), items: z.array(z.object(outcome)) }),
]);
const announcementEnvelope = z.object({ v: z.literal(VERSION), payload: z.unknown() });

/** `alone`: not answered in a message with others, to be asked by itself. */
export type ReplyError = (typeof REPLY_ERRORS)[number];
export type Read<T> = { ok: true; value: T } | { ok: false; problem: string };

/** What stands where the id of the request is not known. */
export const NO_ID = '-';

const services: readonly string[] = ['policy', 'discovery', 'exchange'] satisfies DependencyName[];

/** The service that answers a subject: its first word. */
export function ownerOf(natsSubject: string): DependencyName {
  const [first = ''] = natsSubject.split('.');
  return services.includes(first) ? (first as DependencyName) : 'nats';
}

function parse<T>(text: string, schema: z.ZodType<T>): Read<T> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { ok: false, problem: 'not JSON' };
  }
  return check(json, schema);
}

/** Problems name the place and the kind only: what was sent may be secret. */
function check<T>(value: unknown, schema: z.ZodType<T>): Read<T> {
  const result = schema.safeParse(value);
  if (result.success) return { ok: true, value: result.data };
  const [issue] = result.error.issues;
  return { ok: false, problem: `${issue?.code ?? 'invalid'} at /${issue?.path.map(String).join('/') ?? ''}` };
}

/** A request of a message: the trace that it belongs to, if any, and what is asked. */
export const writeItem = (input: unknown, trace: Trace | undefined): string =>
  JSON.stringify(
    trace === undefined ? { input } : { traceparent: traceparent(trace), requestId: trace.requestId, input },
  );

/** A message of one request. */
export function writeRequest(item: string): { id: string; text: string } {
  const newId = randomUUID();
  return { id: newId, text: `{"v":${VERSION},"id":"${newId}",${item.slice(1)}` };
}

/** A message of several requests. */
export function writeGathered(items: string[]): { id: string; text: string } {
  const newId = randomUUID();
  return { id: newId, text: `{"v":${GATHERED_VERSION},"id":"${newId}","items":[${items.join(',')}]}` };
}

export interface RequestItem<In> {
  /** Absent where the message does not have it. */
  trace: CarriedTrace | undefined;
  input: Read<In>;
}

/** Several requests are answered in one reply, with an outcome for each. */
export type RequestMessage<In> = { id: string } & ({ item: RequestItem<In> } | { items: RequestItem<In>[] });

export function readRequest<In, Out>(contract: RequestContract<In, Out>, text: string): Read<RequestMessage<In>> {
  const envelope = parse(text, requestEnvelope);
  if (!envelope.ok) return envelope;
  const { value } = envelope;
  const itemOf = ({ traceparent: parent, requestId, input }: CarriedTrace & { input?: unknown }) => ({
    trace: parent === undefined ? undefined : { traceparent: parent, requestId },
    input: check(input, contract.input),
  });
  if (value.v === VERSION) return { ok: true, value: { id: value.id, item: itemOf(value) } };
  if (contract.gathers !== true) return { ok: false, problem: 'several requests that do not gather' };
  return { ok: true, value: { id: value.id, items: value.items.map(itemOf) } };
}

/** An outcome in a reply. */
export const writeOutcome = (output: unknown): string => JSON.stringify({ output: output ?? null });

export const writeErrorOutcome = (error: ReplyError): string => JSON.stringify({ error });

/** The reply to a message of one request. */
export const writeReply = (id: string, outcome: string): string =>
  `{"v":${VERSION},"id":${JSON.stringify(id)},${outcome.slice(1)}`;

/** The reply to a message of several. */
export const writeGatheredReply = (id: string, outcomes: string[]): string =>
  `{"v":${GATHERED_VERSION},"id":${JSON.stringify(id)},"items":[${outcomes.join(',')}]}`;

/** The answer to the request of this id. */
export function readReply<In, Out>(contract: RequestContract<In, Out>, id: string, text: string): Read<Out> {
  const envelope = parse(text, replyEnvelope);
  if (!envelope.ok) return envelope;
  const { error } = envelope.value;
  if (error === undefined && envelope.value.id !== id) return { ok: false, problem: ANOTHER };
  return readOutcome(contract, envelope.value);
}

/**
 * The answers to the `count` requests of the message of this id, in their order; null for one that is to be asked
 * alone, which is each of them where the answerer does not know messages of several.
 */
export function readGatheredReply<In, Out>(
  contract: RequestContract<In, Out>,
  { id, count }: { id: string; count: number },
  text: string,
): Read<(Read<Out> | null)[]> {
  const envelope = parse(text, gatheredReplyEnvelope);
  if (!envelope.ok) return envelope;
  const { value } = envelope;
  if (value.v === VERSION) {
    if (value.error === 'malformed') return { ok: true, value: Array.from({ length: count }, () => null) };
    return { ok: false, problem: problemOf(value.error) };
  }
  if (value.id !== id || value.items.length !== count) return { ok: false, problem: ANOTHER };
  return {
    ok: true,
    value: value.items.map((item) => (item.error === 'alone' ? null : readOutcome(contract, item))),
  };
}

const ANOTHER = 'the answer to another request';
const problemOf = (error: ReplyError | undefined): string =>
  error === undefined ? ANOTHER : `answered with an error: ${error}`;

function readOutcome<In, Out>(
  contract: RequestContract<In, Out>,
  { output, error }: { output?: unknown; error?: ReplyError | undefined },
): Read<Out> {
  return error === undefined ? check(output, contract.output) : { ok: false, problem: problemOf(error) };
}

export const writeAnnouncement = (payload: unknown): string => JSON.stringify({ v: VERSION, payload });

export function readAnnouncement<T>(contract: AnnouncementContract<T>, text: string): Read<T> {
  const envelope = parse(text, announcementEnvelope);
  return envelope.ok ? check(envelope.value.payload, contract.payload) : envelope;
}
