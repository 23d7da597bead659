/** Where the first answer of what came over a connection ends; null while it is not all here. */
export function endOfAnswer(text: string): number | null {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return null;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, head))?.[1];
  const start = head + 4;
  if (length === undefined) return isWithoutBody(text) ? start : endOfChunks(text, start);
  const end = start + Number(length);
  return text.length >= end ? end : null;
}

export const statusOf = (text: string): string => text.slice(9, 12);

const isWithoutBody = (text: string): boolean => /^(1..|204|304)/.test(statusOf(text));

/** RFC 9112 §7.1, without trailers: each chunk after its length, until one of length 0. */
function endOfChunks(text: string, start: number): number | null {
  for (let at = start; ;) {
    const line = text.indexOf('\r\n', at);
    if (line < 0) return null;
    const length = parseInt(text.slice(at, line), 16);
    at = line + 2 + length + 2;
    if (text.length < at) return null;
    if (length === 0) return at;
  }
}
