import type { RequestContract } from '@countersign/contracts';
import { carriedTraceId, UnavailableError, type CarriedTrace, type Logger } from '@countersign/platform';
import type { RequestHandler } from './bus';
import { within } from './deadline';
import {
  NO_ID,
  readRequest,
  writeErrorOutcome,
  writeGatheredReply,
  writeOutcome,
  writeReply,
  type RequestItem,
} from './envelope';

/** How long the fast ones of a message wait for a slow one; that is asked alone then. */
const SLOW_MS = 50;

export interface Answering<In, Out> {
  contract: RequestContract<In, Out>;
  handler: RequestHandler<In, Out>;
  logger: Logger;
  /** A reply has fewer bytes. */
  maxBytes: number;
  /** Where a request of an older version has its trace. */
  headers?: CarriedTrace;
  noteMalformed: (problem: string) => void;
}

/** The reply to a message of one request or several. Never rejects: what went wrong here is for our log. */
export async function answerMessage<In, Out>(text: string, answering: Answering<In, Out>): Promise<string> {
  const request = readRequest(answering.contract, text);
  if (!request.ok) {
    answering.noteMalformed(request.problem);
    return writeReply(NO_ID, writeErrorOutcome('malformed'));
  }
  const { id } = request.value;
  if ('items' in request.value) return answerAll(id, request.value.items, answering);
  const { item } = request.value;
  const reply = writeReply(item.input.ok ? id : NO_ID, await answerItem(item, answering));
  if (Buffer.byteLength(reply) < answering.maxBytes) return reply;
  const { contract, logger, maxBytes } = answering;
  logger.error('reply larger than NATS allows', { natsSubject: contract.natsSubject, limit: maxBytes });
  return writeReply(id, writeErrorOutcome('too_large'));
}

/** Each outcome in its place; one that is slow, or does not fit in any more, is for a message of its own. */
async function answerAll<In, Out>(
  id: string,
  items: RequestItem<In>[],
  answering: Answering<In, Out>,
): Promise<string> {
  const outcomes: string[] = items.map(() => writeErrorOutcome('alone'));
  let bytes = Buffer.byteLength(writeGatheredReply(id, outcomes));
  const answers = items.map(async (item, place) => {
    const outcome = await answerItem(item, answering);
    bytes += Buffer.byteLength(outcome);
    if (bytes < answering.maxBytes) outcomes[place] = outcome;
  });
  await within(SLOW_MS, Promise.all(answers)).catch(() => undefined);
  return writeGatheredReply(id, outcomes);
}

async function answerItem<In, Out>(item: RequestItem<In>, answering: Answering<In, Out>): Promise<string> {
  const { contract, handler, headers, logger, noteMalformed } = answering;
  const { natsSubject } = contract;
  const { input } = item;
  if (!input.ok) {
    noteMalformed(input.problem);
    return writeErrorOutcome('malformed');
  }
  const carried = item.trace ?? headers ?? {};
  try {
    return writeOutcome(await handler(input.value, carried));
  } catch (error) {
    const traceId = carriedTraceId(carried);
    // What is merely not there yet is for the asker to report.
    if (error instanceof UnavailableError) logger.debug('request not answered', { natsSubject, traceId });
    else logger.error('request failed', { natsSubject, traceId, error });
    return writeErrorOutcome('failed');
  }
}
