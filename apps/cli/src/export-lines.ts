import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { callForStream } from './api';
import { EXIT, Failure } from './failure';
import type { Terminal } from './terminal';

export interface LinesOptions {
  format: string;
  since?: string;
  until?: string;
}

/** Longer than any trail takes to read; an answer that stops coming is cut off by the server. */
const LONGEST_MS = 24 * 3_600_000;

/**
 * Writes the events into a new file, one in a line, as they come; resolves with their number.
 * @throws Failure also when the answer broke off: the file is then not whole
 */
export async function exportLines(terminal: Terminal, file: string, options: LinesOptions): Promise<number> {
  const query = { format: options.format, from: options.since, to: options.until };
  const signal = AbortSignal.timeout(LONGEST_MS);
  const chunks = await callForStream(terminal, { path: '/v1/events/export', query, signal });
  let lines = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      for (const byte of chunk) if (byte === 0x0a) lines += 1;
      yield chunk;
    }
  };
  try {
    await pipeline(Readable.from(counted()), createWriteStream(file));
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'it failed';
    throw new Failure(
      EXIT.unreachable,
      `the export broke off after ${lines} events: ${reason}`,
      `${file} is not whole.`,
    );
  }
  return lines;
}
