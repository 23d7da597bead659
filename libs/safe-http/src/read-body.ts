import { Readable } from 'node:stream';

/**
 * The text of the body, at most `maxBytes` of it; the rest is never read. What a longer body means is up to
 * the caller.
 */
export async function readBody(body: Readable, maxBytes: number): Promise<{ text: string; isTruncated: boolean }> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    // Leaving the loop destroys the stream and with it the connection.
    if (length > maxBytes) break;
  }
  return { text: Buffer.concat(chunks).subarray(0, maxBytes).toString('utf8'), isTruncated: length > maxBytes };
}

/** Whether the bytes that are counted are the bytes that are read: a compressed body would unfold to more. */
export function isIdentity(contentEncoding: string | undefined): boolean {
  const encoding = contentEncoding?.trim().toLowerCase() ?? '';
  return encoding === '' || encoding === 'identity';
}
