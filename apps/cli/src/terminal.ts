/** What a command may touch of the outside: tests pass their own. */
export interface Terminal {
  env: Record<string, string | undefined>;
  cwd: string;
  /** Is standard output a terminal? */
  isTty: boolean;
  readStdin: () => Promise<string>;
  write: (text: string) => void;
  writeError: (text: string) => void;
}

/** The terminal of this process. */
export function processTerminal(): Terminal {
  return {
    env: process.env,
    cwd: process.cwd(),
    isTty: process.stdout.isTTY === true,
    readStdin,
    write: (text) => void process.stdout.write(text),
    writeError: (text) => void process.stderr.write(text),
  };
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString('utf8');
}
