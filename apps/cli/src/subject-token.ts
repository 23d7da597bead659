import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { reach } from './api';
import { EXIT, Failure, usageFailure } from './failure';
import { readSettings } from './settings';
import type { Terminal } from './terminal';

const REQUEST_URL = 'ACTIONS_ID_TOKEN_REQUEST_URL';
const REQUEST_TOKEN = 'ACTIONS_ID_TOKEN_REQUEST_TOKEN';

export interface SubjectTokenSource {
  /** Path, or `-` for standard input. */
  tokenFile?: string;
  /** Audience to ask GitHub for; our own URL unless said otherwise. */
  audienceIn?: string;
}

/** The token that the platform gave this job: from a file, standard input, or GitHub's request URL. */
export async function readSubjectToken(terminal: Terminal, source: SubjectTokenSource): Promise<string> {
  if (source.tokenFile === '-') return nonEmpty(await terminal.readStdin(), 'standard input');
  if (source.tokenFile !== undefined) return nonEmpty(readTokenFile(terminal, source.tokenFile), source.tokenFile);
  const { [REQUEST_URL]: url, [REQUEST_TOKEN]: token } = terminal.env;
  if (url && token) return askGithub(url, token, source.audienceIn ?? readSettings(terminal).url);
  throw usageFailure(
    `no subject token: give --token-file, or run in GitHub Actions`,
    'In a workflow, `permissions: id-token: write` makes GitHub offer one to the job.',
  );
}

function readTokenFile({ cwd }: Terminal, path: string): string {
  try {
    return readFileSync(resolve(cwd, path), 'utf8');
  } catch {
    throw usageFailure(`cannot read the token file ${path}`);
  }
}

function nonEmpty(text: string, place: string): string {
  const token = text.trim();
  if (token === '') throw usageFailure(`there is no token in ${place}`);
  return token;
}

/** GitHub's request URL comes with a query already; the audience is one more parameter of it. */
async function askGithub(requestUrl: string, requestToken: string, audience: string): Promise<string> {
  if (!URL.canParse(requestUrl)) throw usageFailure(`${REQUEST_URL} is not a URL`);
  const url = new URL(requestUrl);
  url.searchParams.set('audience', audience);
  const response = await reach(url.href, { headers: { authorization: `bearer ${requestToken}` } });
  const answer = (await response.json().catch(() => null)) as { value?: unknown } | null;
  if (response.ok && typeof answer?.value === 'string') return answer.value;
  throw new Failure(
    EXIT.refused,
    `the platform gave no token: ${url.origin} answered ${response.status}`,
    'The job needs `permissions: id-token: write`.',
  );
}
