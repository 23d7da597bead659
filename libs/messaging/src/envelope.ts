import { randomUUID } from 'node:crypto';
import type { AnnouncementContract, RequestContract } from '@countersign/contracts';
import type { DependencyName } from '@countersign/platform';
import { z } from 'zod';

/** Raised when the frame around the payloads changes; another version is refused, never guessed at. */
const VERSION = 1;

const requestEnvelope = z.object({ v: z.literal(VERSION), id: z.string().min(1).max(64), input: z.unknown() });
const replyEnvelope = z.object({
  v: z.literal(VERSION),
  id: z.string(),
  output: z.unknown().optional(),
  error: z.enum(['malformed', 'failed', 'too_large']).optional(),
});
const announcementEnvelope = z.object({ v: z.literal(VERSION), payload: z.unknown() });

export type ReplyError = 'malformed' | 'failed' | 'too_large';
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

export function writeRequest(input: unknown): { id: string; text: string } {
  const id = randomUUID();
  return { id, text: JSON.stringify({ v: VERSION, id, input }) };
}

export function readRequest<In, Out>(
  contract: RequestContract<In, Out>,
  text: string,
): Read<{ id: string; input: In }> {
  const envelope = parse(text, requestEnvelope);
  if (!envelope.ok) return envelope;
  const input = check(envelope.value.input, contract.input);
  return input.ok ? { ok: true, value: { id: envelope.value.id, input: input.value } } : input;
}

export const writeReply = (id: string, output: unknown): string => JSON.stringify({ v: VERSION, id, output });

export const writeErrorReply = (id: string, error: ReplyError): string => JSON.stringify({ v: VERSION, id, error });

/** The answer to the request of this id. */
export function readReply<In, Out>(contract: RequestContract<In, Out>, id: string, text: string): Read<Out> {
  const envelope = parse(text, replyEnvelope);
  if (!envelope.ok) return envelope;
  const { error, output } = envelope.value;
  if (error !== undefined) return { ok: false, problem: `answered with an error: ${error}` };
  if (envelope.value.id !== id) return { ok: false, problem: 'the answer to another request' };
  return check(output, contract.output);
}

export const writeAnnouncement = (payload: unknown): string => JSON.stringify({ v: VERSION, payload });

export function readAnnouncement<T>(contract: AnnouncementContract<T>, text: string): Read<T> {
  const envelope = parse(text, announcementEnvelope);
  return envelope.ok ? check(envelope.value.payload, contract.payload) : envelope;
}
