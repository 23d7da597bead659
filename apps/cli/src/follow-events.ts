import { setTimeout as delay } from 'node:timers/promises';
import type { RecordedEvent } from '@countersign/contracts';
import { callForStream } from './api';
import { EXIT, Failure } from './failure';
import type { Terminal } from './terminal';

const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 30_000;

interface Place {
  lastEventId: string | undefined;
  /** As the server asks for it. */
  pauseMs: number;
}

export interface FollowOptions {
  filters: Record<string, string | undefined>;
  /** Ends it. */
  signal: AbortSignal;
}

/**
 * Events as they come, from now on. A lost connection is made again and goes on where it was: nothing is missing, nothing
 * comes twice. Throws a Failure when the server cannot be reached at first, or refuses.
 */
export async function* followEvents(
  terminal: Terminal,
  { filters, signal }: FollowOptions,
): AsyncGenerator<RecordedEvent> {
  const place: Place = { lastEventId: undefined, pauseMs: FIRST_PAUSE_MS };
  for (let isOpened = false, failures = 0; !signal.aborted; failures += 1) {
    try {
      const { lastEventId } = place;
      const call = { path: '/v1/events/stream', query: filters, signal, ...(lastEventId ? { lastEventId } : {}) };
      const chunks = await callForStream(terminal, call);
      [isOpened, failures] = [true, 0];
      yield* eventsIn(chunks, place);
    } catch (error) {
      if (signal.aborted) return;
      if (!isOpened || (error instanceof Failure && error.exitCode !== EXIT.unreachable)) throw error;
    }
    await pause(Math.min(LONGEST_PAUSE_MS, place.pauseMs * 2 ** Math.min(failures, 8)), signal);
  }
}

async function* eventsIn(chunks: AsyncIterable<Uint8Array>, place: Place): AsyncGenerator<RecordedEvent> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of chunks) {
    const blocks = (text + decoder.decode(chunk, { stream: true })).replaceAll('\r\n', '\n').split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const { id, retry, data } = fieldsOf(block);
      if (retry !== undefined && /^\d{1,5}$/.test(retry)) place.pauseMs = Number(retry);
      if (data !== undefined) yield JSON.parse(data) as RecordedEvent;
      // After it was handed on: who stops in between gets it again.
      if (id !== undefined) place.lastEventId = id;
    }
  }
}

/** The fields of one message (HTML Living Standard, section 9.2.6); ours have each of them once. */
const fieldsOf = (block: string): Record<string, string | undefined> =>
  Object.fromEntries(block.split('\n').map((line) => line.split(/: ?(.*)/s).slice(0, 2) as [string, string]));

const pause = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  delay(milliseconds, undefined, { signal }).catch(() => undefined);
