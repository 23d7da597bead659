import { Command, Option } from 'commander';
import { stringify } from 'yaml';
import { callApi } from '../api';
import { decodeToken, describeTime, nowInSeconds } from '../decode-token';
import { formatFields, OUTPUTS } from '../format';
import { audienceOption } from '../repeatable-options';
import { readSubjectToken, type SubjectTokenSource } from '../subject-token';
import type { Terminal } from '../terminal';

interface Options extends SubjectTokenSource {
  audience: string[];
  scope?: string;
  output?: (typeof OUTPUTS)[number] | 'token';
}

/** Answer of the token endpoint (RFC 8693 section 2.2.1). */
export interface TokenAnswer {
  access_token: string;
  issued_token_type: string;
  token_type: string;
  expires_in: number;
  scope?: string;
}

/** `countersign exchange`: the token of a job in, a countersign token out. */
export const exchangeCommand = (terminal: Terminal): Command =>
  new Command('exchange')
    .description("exchange the platform's token of this job for a countersign token")
    .option('--token-file <path>', 'file with the subject token, - for standard input (default: GitHub Actions)')
    .option('--audience-in <audience>', 'audience to ask GitHub Actions for (default: COUNTERSIGN_URL)')
    .addOption(audienceOption('audience that the new token is for'))
    .option('--scope <scope>', 'narrow to `role:NAME` and `policy:NAME`, space separated')
    .addOption(
      new Option('-o, --output <format>', 'token prints the bare token, as a pipe gets it unasked').choices([
        'token',
        ...OUTPUTS,
      ]),
    )
    .action(async (options: Options) => {
      const answer = await exchange(terminal, await readSubjectToken(terminal, options), options);
      maskInGithub(terminal, answer.access_token);
      terminal.write(formatAnswer(answer, options.output ?? (terminal.isTty ? 'table' : 'token')));
    });

async function exchange(terminal: Terminal, subjectToken: string, options: Options): Promise<TokenAnswer> {
  const form = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: subjectToken,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  });
  for (const audience of options.audience) form.append('audience', audience);
  if (options.scope !== undefined) form.set('scope', options.scope);
  return callApi(terminal, { method: 'POST', path: '/oauth2/token', body: form, authenticated: false });
}

/** Only `table` leaves the token out. */
export function formatAnswer(answer: TokenAnswer, output: NonNullable<Options['output']>): string {
  switch (output) {
    case 'token':
      return `${answer.access_token}\n`;
    case 'json':
      return `${JSON.stringify(answer, null, 2)}\n`;
    case 'yaml':
      return stringify(answer);
    case 'table':
      return formatSummary(answer.access_token);
  }
}

function formatSummary(accessToken: string): string {
  const { claims } = decodeToken(accessToken);
  return formatFields([
    ['subject', list(claims['sub'])],
    ['expires', describeTime(claims['exp'], nowInSeconds())],
    ['audience', list(claims['aud'])],
    ['roles', list(claims['roles'])],
    ['policies', list(claims['policy'])],
    ['token', 'not shown; --output token prints it'],
  ]);
}

const list = (value: unknown): string =>
  Array.isArray(value) ? value.join(', ') : typeof value === 'string' ? value : '-';

/** Asks the runner to star out the token in the job's log; runners read such lines on either stream. */
function maskInGithub({ env, writeError }: Terminal, token: string): void {
  if (env['GITHUB_ACTIONS'] === 'true') writeError(`::add-mask::${token}\n`);
}
