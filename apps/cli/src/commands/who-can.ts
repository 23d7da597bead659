import type { PossibleDenial, ReachingRole, WhoCanAnswer } from '@countersign/contracts';
import { Command } from 'commander';
import { callApi } from '../api';
import { formatFields, formatTable, outputOption, paint, print, type Output } from '../format';
import type { Terminal } from '../terminal';

interface Options {
  from?: string;
  to?: string;
  output?: Output;
}

/** `countersign who-can`: the roles that let somebody do something, and the identities seen that may. */
export const whoCanCommand = (terminal: Terminal): Command =>
  new Command('who-can')
    .description('say who may do this: the roles and what they ask for, and the identities seen that may')
    .argument('<action>', 'such as Function:Create')
    .argument('<resource>', 'type:id, such as staging:web')
    .option('--from <time>', 'identities seen from this time on (RFC 3339; default: 30 days back)')
    .option('--to <time>', 'and up to this time (RFC 3339; default: now)')
    .addOption(outputOption())
    .action(async (action: string, resource: string, { output, from, to }: Options) => {
      const call = { method: 'POST', path: '/v1/who-can', contentType: 'application/json' } as const;
      const body = JSON.stringify({ action, resource, from, to });
      const answer = await callApi<WhoCanAnswer>(terminal, { ...call, body });
      print(terminal, output, answer, () => formatWhoCan(terminal, answer));
    });

type Colours = Pick<Terminal, 'isTty' | 'env'>;

/** A block for each role and statement, and a table of identities. */
export function formatWhoCan(terminal: Colours, { roles, identities, identityCount, window }: WhoCanAnswer): string {
  const blocks = roles.map((role) => formatRole(terminal, role));
  const rows = identities.map(({ issuer, subject, roles: by, lastSeenAt, count }) => [
    ...[issuer, subject, by.join(', '), lastSeenAt, String(count)],
  ]);
  const table = formatTable(['issuer', 'subject', 'roles', 'last seen', 'count'], rows);
  const range = paint(terminal, 'dim', `from ${window.from} to ${window.to}`);
  const left = identityCount > identities.length ? `and ${identityCount - identities.length} more\n` : '';
  return [
    ...(blocks.length > 0 ? blocks : ['no role gives this to anybody\n\n']),
    `identities seen that may  ${range}\n`,
    table || 'none\n',
    left,
  ].join('');
}

function formatRole(terminal: Colours, role: ReachingRole): string {
  const heading = `${paint(terminal, 'green', `role ${role.name}`)}  ${statementName(role)}\n`;
  const who = [...principalLines(role.principal), ...linesOf(role.condition)];
  const fields = [
    ...who.map((line, at) => [at === 0 ? 'who' : '', line] as const),
    ...[...linesOf(role.statementCondition), ...claimLines(role)].map((line) => ['if', line] as const),
    ...role.deniedBy.map((denial) => ['unless', formatDenial(role, denial)] as const),
  ];
  return `${heading}${indented(formatFields(fields))}\n`;
}

const principalLines = (principal: ReachingRole['principal']): string[] =>
  Array.isArray(principal) ? principal : linesOf({ StringEqual: principal ?? {} });

const statementName = ({ policy, sid }: { policy: string; sid: string | null }): string =>
  sid === null ? `by a statement of policy ${policy}` : `by statement ${sid} of policy ${policy}`;

function formatDenial(role: ReachingRole, denial: PossibleDenial): string {
  const through = denial.role === role.name ? '' : `they also have role ${denial.role}, `;
  const conditions = [...linesOf(denial.condition), ...claimLines(denial)];
  const when = conditions.length === 0 ? '' : `: ${conditions.join('; ')}`;
  return `${through}denied ${statementName(denial)}${when}`;
}

const claimLines = ({ resourceClaims }: { resourceClaims: string[] }): string[] =>
  resourceClaims.length === 0 ? [] : [`the resource fits the claim ${resourceClaims.join(', ')}`];

/** `StringLike jwt:ref  refs/tags/*, refs/heads/main` for each key. */
const linesOf = (condition: ReachingRole['statementCondition']): string[] =>
  Object.entries(condition ?? {}).flatMap(([operator, keys]) =>
    Object.entries(keys).map(([key, values]) => `${operator} ${key}  ${values.join(', ')}`),
  );

const indented = (text: string): string => text.replace(/^(?=.)/gm, '  ');
