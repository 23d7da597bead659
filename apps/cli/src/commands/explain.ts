import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ExplainAnswer } from '@countersign/contracts';
import { Command, Option } from 'commander';
import { callApi } from '../api';
import { usageFailure } from '../failure';
import { outputOption, print, type Output } from '../format';
import { formatExplanation } from '../format-explanation';
import { audienceOption } from '../repeatable-options';
import { readSubjectToken } from '../subject-token';
import type { Terminal } from '../terminal';

interface Options {
  claims?: string;
  tokenFile?: string;
  traceId?: string;
  eventId?: string;
  audience: string[];
  scope?: string;
  sourceIp?: string;
  time?: string;
  action?: string;
  resource?: string;
  output?: Output;
}

/** `countersign explain`: why an exchange is granted or refused, check by check, and what would admit it. */
export const explainCommand = (terminal: Terminal): Command =>
  new Command('explain')
    .description('say why an exchange is granted or refused, and which one edit would admit it')
    .option('--claims <path>', 'claims as JSON: a file, or - for standard input')
    .option('--token-file <path>', 'file with a subject token, - for standard input; it is verified, not used up')
    .option('--trace-id <id>', 'an attempt of the past, by the trace id of its answer')
    .option('--event-id <id>', 'an attempt of the past, by the id of its event')
    .addOption(audienceOption('audience to ask for'))
    .option('--scope <scope>', '`role:NAME` and `policy:NAME`, space separated')
    .option('--source-ip <address>', 'address that the exchange comes from')
    .option('--time <time>', 'when it takes place (RFC 3339; default: now, or when it did)')
    .addOption(new Option('--action <action>', 'what the token is to do; with --resource'))
    .addOption(new Option('--resource <resource>', 'what it is to do it to; with --action'))
    .addOption(outputOption())
    .action(async (options: Options) => {
      const body = { ...(await sourceOf(terminal, options)), ...requestOf(options) };
      const call = { method: 'POST', path: '/v1/explain', contentType: 'application/json' } as const;
      const answer = await callApi<ExplainAnswer>(terminal, { ...call, body: JSON.stringify(body) });
      print(terminal, options.output, answer, () => formatExplanation(terminal, answer));
    });

/** Exactly one of the four. */
async function sourceOf(terminal: Terminal, options: Options): Promise<object> {
  const { claims, tokenFile, traceId, eventId } = options;
  const given = [claims, tokenFile, traceId, eventId].filter((source) => source !== undefined);
  if (given.length !== 1) throw usageFailure('give one of --claims, --token-file, --trace-id and --event-id');
  if (claims !== undefined) return { claims: await readClaims(terminal, claims) };
  if (tokenFile !== undefined) return { token: await readSubjectToken(terminal, { tokenFile }) };
  return traceId !== undefined ? { traceId } : { eventId };
}

async function readClaims(terminal: Terminal, path: string): Promise<unknown> {
  const text = path === '-' ? await terminal.readStdin() : readFile(terminal, path);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw usageFailure(`${path === '-' ? 'standard input' : path} is not JSON`, 'Give the claims as one JSON object.');
  }
}

function readFile({ cwd }: Terminal, path: string): string {
  try {
    return readFileSync(resolve(cwd, path), 'utf8');
  } catch {
    throw usageFailure(`cannot read the claims file ${path}`);
  }
}

const requestOf = ({ audience, scope, sourceIp, time, action, resource }: Options): object => ({
  ...(audience.length > 0 ? { audience } : {}),
  ...{ scope, sourceIp, time, action, resource },
});
