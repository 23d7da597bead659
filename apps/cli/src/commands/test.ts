import type { PolicyTestCaseAnswer, PolicyTestsAnswer } from '@countersign/contracts';
import { InvalidArgumentError, type Command } from 'commander';
import { callApi } from '../api';
import { documentsCommand, namedPaths, readDocuments, type DocumentOptions } from '../document-sources';
import { EXIT, Failure } from '../failure';
import { formatTable, outputOption, paint, print, type Output } from '../format';
import type { Terminal } from '../terminal';

interface Options extends DocumentOptions {
  neighbours?: boolean;
  minScore?: number;
  onlyGiven?: boolean;
  output?: Output;
}

/** `countersign test`: PolicyTests against documents that need not be applied yet. */
export const testCommand = (terminal: Terminal): Command =>
  documentsCommand('test')
    .description('run PolicyTests against the documents beside them, laid over those that are applied')
    .option('--neighbours', 'try tokens that differ in one claim, and name those that are granted, too')
    .option('--min-score <percent>', 'fail when fewer near misses are refused (implies --neighbours)', readPercent)
    .option('--only-given', 'leave the documents that are applied out of it')
    .addOption(outputOption())
    .action(async (paths: string[], options: Options) => {
      const answer = await run(terminal, namedPaths(paths, options.filename), options);
      print(terminal, options.output, answer, () => formatTests(terminal, answer));
      refuseFailed(answer, options.minScore);
    });

function readPercent(text: string): number {
  const percent = Number(text);
  if (text.trim() !== '' && percent >= 0 && percent <= 100) return percent;
  throw new InvalidArgumentError('must be a number from 0 to 100.');
}

async function run(terminal: Terminal, paths: readonly string[], options: Options): Promise<PolicyTestsAnswer> {
  const { text, placeOf } = await readDocuments(terminal, paths);
  const isScored = options.neighbours === true || options.minScore !== undefined;
  return callApi<PolicyTestsAnswer>(terminal, {
    method: 'POST',
    path: '/v1/test',
    query: { neighbours: isScored ? 'true' : undefined, onlyGiven: options.onlyGiven ? 'true' : undefined },
    contentType: 'application/yaml',
    body: text,
    placeOf,
  });
}

function refuseFailed({ summary }: PolicyTestsAnswer, minScore: number | undefined): void {
  if (summary.failed > 0) {
    throw new Failure(
      EXIT.refused,
      `${summary.failed} of ${counted(summary.cases)} failed`,
      '`countersign explain` shows each condition of each role for a set of claims.',
    );
  }
  const score = percentOf(summary.neighbours);
  if (minScore === undefined || score >= minScore) return;
  throw new Failure(
    EXIT.refused,
    `${score.toFixed(1)} % of the near misses are refused, ${minScore} % are wanted`,
    'Pin the claims in the table, or list those that may differ in `mayDiffer` of the case.',
  );
}

const percentOf = (score: PolicyTestsAnswer['summary']['neighbours']): number =>
  score === null || score.total === 0 ? 100 : (score.refused / score.total) * 100;

const counted = (cases: number): string => `${cases} case${cases === 1 ? '' : 's'}`;

type Colours = Pick<Terminal, 'isTty' | 'env'>;

/** A line for each case under the name of its test, the near misses that slip through, and the sums. */
export function formatTests(terminal: Colours, { cases, summary }: PolicyTestsAnswer): string {
  const names = [...new Set(cases.map(({ test }) => test))];
  const lines = names.flatMap((name) => [
    `${name}\n`,
    ...cases.filter(({ test }) => test === name).map((item) => formatCase(terminal, item)),
  ]);
  const sums = `${summary.passed} of ${counted(summary.cases)} passed\n`;
  return [...lines, formatNeighbours(terminal, cases, summary.neighbours), sums].join('');
}

function formatCase(terminal: Colours, { name, passed, actual, mismatches }: PolicyTestCaseAnswer): string {
  const mark = passed ? paint(terminal, 'green', '✓') : paint(terminal, 'red', '✗');
  const roles = actual.roles.join(', ');
  const why = actual.outcome === 'granted' ? `granted by ${roles}` : `denied: ${actual.reason ?? ''}`;
  const heading = `  ${mark} ${name}  ${paint(terminal, 'dim', why)}\n`;
  return [heading, ...mismatches.map(({ message }) => `      ${message}\n`)].join('');
}

function formatNeighbours(
  terminal: Colours,
  cases: readonly PolicyTestCaseAnswer[],
  score: PolicyTestsAnswer['summary']['neighbours'],
): string {
  if (score === null) return '';
  const rows = cases.flatMap(({ test, name, neighbours }) =>
    (neighbours?.slipped ?? []).map(({ claim, from, to, roles }) => [
      `${test}: ${name}`,
      claim,
      shown(from),
      to === null ? '(left out)' : shown(to),
      roles.join(', '),
    ]),
  );
  const table = formatTable(['case', 'claim', 'was', 'granted with', 'by'], rows);
  const sum = `${score.refused} of ${score.total} near misses refused`;
  return `\n${table}${paint(terminal, rows.length === 0 ? 'green' : 'yellow', sum)}\n`;
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
