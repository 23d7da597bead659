import type { Finding } from '@countersign/contracts';
import { formatTable, paint } from './format';
import type { Terminal } from './terminal';

type Colours = Pick<Terminal, 'isTty' | 'env'>;

const colours = { error: 'red', warning: 'yellow', info: 'dim' } as const;
const severities = ['error', 'warning', 'info'] as const;

const keyOf = ({ resource }: Finding): string => `${resource.kind}/${resource.name}`;

/** A table for each document: where, what, what it admits, how to mend it; then how many of which severity. */
export function formatFindings(terminal: Colours, findings: readonly Finding[]): string {
  if (findings.length === 0) return 'nothing to say\n';
  const tables = [...new Set(findings.map(keyOf))].map((key) => {
    const own = findings.filter((finding) => keyOf(finding) === key);
    return `${key}\n${tableOf(terminal, own)}\n`;
  });
  const counts = severities.map(
    (severity) => `${findings.filter((one) => one.severity === severity).length} ${severity}`,
  );
  return `${tables.join('')}${counts.join(', ')}\n`;
}

/** Cells are padded before they are coloured: colours have no width. */
function tableOf(terminal: Colours, findings: readonly Finding[]): string {
  const rows = findings.flatMap(({ severity, rule, path, message, admits, fix, allowed }) => [
    [severity, rule, path || '-', allowed ? `${message} (allowed)` : message],
    ...admits.map((admitted) => ['', '', 'admits', admitted]),
    ...(fix === null ? [] : [['', '', 'fix', fix]]),
  ]);
  const lines = formatTable(['severity', 'rule', 'path', 'message'], rows).split('\n');
  return lines.map((line) => `  ${colourOf(terminal, line)}`.trimEnd()).join('\n');
}

function colourOf(terminal: Colours, line: string): string {
  const severity = severities.find((name) => line.startsWith(`${name} `));
  return severity ? paint(terminal, colours[severity], severity) + line.slice(severity.length) : line;
}
