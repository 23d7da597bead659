import type { ExplainAnswer, ExplainedCheck, ExplainedOutcome, NearestMissAnswer } from '@countersign/contracts';
import { formatTable, paint, printable } from './format';
import type { Terminal } from './terminal';

type Screen = Pick<Terminal, 'isTty' | 'env'>;

/** Most values of one list that are spelled out. */
const MOST_VALUES = 3;

/** An explanation for people: the outcome in one line, the roles check by check, the statements, the nearest miss. */
export function formatExplanation(screen: Screen, answer: ExplainAnswer): string {
  const parts = [
    headOf(screen, answer),
    rolesOf(screen, answer),
    statementsOf(screen, answer),
    answer.nearestMiss === null ? '' : missOf(screen, answer.nearestMiss),
  ];
  return parts.filter((part) => part !== '').join('\n');
}

function headOf(screen: Screen, answer: ExplainAnswer): string {
  const { outcome, issuer, subject, revision, verified } = answer;
  const why = outcome === 'granted' ? '' : ` at ${answer.stage}: ${reasonOf(answer)}`;
  const lines = [
    `${paint(screen, outcome === 'granted' ? 'green' : 'red', outcome)}${why}`,
    `${printable(subject ?? 'unknown subject')} of ${issuer ?? 'no trusted issuer'}, with revision ${revision}`,
    verified ? '' : paint(screen, 'yellow', 'not verified: anybody could have written these claims'),
    ...asideOf(answer),
  ];
  return textOfLines(lines.filter((line) => line !== ''));
}

const textOfLines = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

const reasonOf = ({ reason, detail }: Pick<ExplainedOutcome, 'reason' | 'detail'>): string =>
  printable(`${reason ?? 'no reason'}${detail === null ? '' : ` (${detail})`}`);

const revisionOf = ({ revision }: { revision: number | null }): string =>
  revision === null ? '' : ` with revision ${revision}`;

/** What would have happened otherwise, and what did happen then. */
function asideOf({ ifVerified, recorded }: ExplainAnswer): string[] {
  const outcomeOf = (one: ExplainedOutcome): string =>
    one.outcome === 'granted' ? one.outcome : `${one.outcome}: ${reasonOf(one)}`;
  return [
    ...(ifVerified === null ? [] : [`had it been verified: ${outcomeOf(ifVerified)}`]),
    ...(recorded === null ? [] : [`recorded at ${recorded.time}${revisionOf(recorded)}: ${outcomeOf(recorded)}`]),
  ];
}

const mark = (screen: Screen, matched: boolean): string =>
  matched ? paint(screen, 'green', '✓') : paint(screen, 'red', '✗');

function rolesOf(screen: Screen, { roles, rolesLeftOut }: ExplainAnswer): string {
  const more = rolesLeftOut === 0 ? '' : `${rolesLeftOut} more roles of this issuer are further away\n`;
  const blocks = roles.map(({ name, shadow, matched, checks }) => {
    const title = `${mark(screen, matched)} role ${name}${shadow ? ' (shadow: grants nothing)' : ''}\n`;
    return title + checksOf(screen, checks);
  });
  return blocks.join('') + more;
}

function statementsOf(screen: Screen, { statements, permission }: ExplainAnswer): string {
  if (permission === null) return '';
  const { action, resource, allowed } = permission;
  const title = `${mark(screen, allowed)} ${printable(action)} on ${printable(resource)}\n`;
  const blocks = statements.map(({ policy, sid, effect, applies, checks }) => {
    const what = `  ${effect} ${sid ?? '-'} of policy ${policy} ${applies ? 'applies' : 'does not apply'}\n`;
    return (
      paint(screen, applies ? (effect === 'Deny' ? 'red' : 'green') : 'dim', what.trimEnd()) +
      '\n' +
      checksOf(screen, checks)
    );
  });
  return title + blocks.join('');
}

/** The table is laid out without colour, whose codes would count as width. */
function checksOf(screen: Screen, checks: readonly ExplainedCheck[]): string {
  const rows = checks.map(({ matched, key, operator, expected, actual, present }) => [
    matched ? '✓' : '✗',
    key,
    operator,
    listed(expected),
    present ? textOf(actual) : '(missing)',
  ]);
  const table = formatTable(['', 'key', 'operator', 'expected', 'actual'], rows);
  return table
    .replace(/^/gm, '  ')
    .replace(/ +$/gm, '')
    .replace(/^ {2}([✓✗])/gm, (_, sign: string) => `  ${mark(screen, sign === '✓')}`);
}

function listed(values: readonly string[]): string {
  const shown = values.slice(0, MOST_VALUES).join(', ');
  return values.length > MOST_VALUES ? `${shown} and ${values.length - MOST_VALUES} more` : shown || '(none)';
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** Nearest role, the edit in words, and what to know before making it. */
function missOf(screen: Screen, { role, failedChecks, edit, findings, alsoAdmits }: NearestMissAnswer): string {
  const title = paint(screen, 'yellow', 'nearest miss');
  if (edit === null) {
    const checks = failedChecks === 1 ? '1 check fails' : `${failedChecks} checks fail`;
    return `${title}: Role ${role}: ${checks}; no single edit admits this\n`;
  }
  const { count, sample } = alsoAdmits;
  const whom = count === 0 ? 'nobody else seen' : `${count} ${count === 1 ? 'other' : 'others'} seen`;
  const lines = [
    `${title}: Role ${role}: ${printable(describeEdit(edit))}`,
    `would also admit ${whom} since ${alsoAdmits.from.slice(0, 10)}`,
    ...sample.map((subject) => `  ${printable(subject)}`),
    ...findings.map(({ severity, rule, message }) => `lint ${severity} ${rule}: ${message}`),
  ];
  return textOfLines(lines);
}

function describeEdit({ op, path, value }: NonNullable<NearestMissAnswer['edit']>): string {
  if (op === 'remove') return `remove ${path}`;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return op === 'add' ? `add ${text} to ${path.replace(/\/-$/, '')}` : `set ${path} to ${text}`;
}
