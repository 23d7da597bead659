import { Command, CommanderError } from 'commander';
import { applyCommand } from './commands/apply';
import { auditCommand } from './commands/audit-list';
import { deleteCommand } from './commands/delete';
import { devCommand } from './commands/dev-issuer';
import { diffCommand } from './commands/diff';
import { exchangeCommand } from './commands/exchange';
import { explainCommand } from './commands/explain';
import { getCommand } from './commands/get';
import { issuerCommand } from './commands/issuer-status';
import { lintCommand } from './commands/lint';
import { pinsCommand } from './commands/pins';
import { staleCommand } from './commands/stale';
import { revisionsCommand } from './commands/revisions';
import { testCommand } from './commands/test';
import { simulateCommand } from './commands/simulate';
import { tokenCommand } from './commands/token-inspect';
import { webhookCommand } from './commands/webhook';
import { whoCanCommand } from './commands/who-can';
import { EXIT, Failure, type ExitCode } from './failure';
import { paint } from './format';
import type { Terminal } from './terminal';

const commands = [
  applyCommand,
  diffCommand,
  lintCommand,
  testCommand,
  explainCommand,
  whoCanCommand,
  staleCommand,
  simulateCommand,
  getCommand,
  deleteCommand,
  revisionsCommand,
  pinsCommand,
  exchangeCommand,
  tokenCommand,
  auditCommand,
  webhookCommand,
  issuerCommand,
  devCommand,
];

const footer = `
Environment:
  COUNTERSIGN_URL    where countersign is (default http://127.0.0.1:8080)
  COUNTERSIGN_TOKEN  admin token, or a token that countersign issued; on loopback the embedded
                     mode's ./.countersign/admin-token is read when it is not set

Exit codes: 0 ok, 1 refused, 2 usage, 3 not reachable or not available
`;

/** Runs one command line (without node and script) and answers with its exit code. Never throws. */
export async function runProgram(terminal: Terminal, args: readonly string[]): Promise<ExitCode> {
  const program = new Command('countersign')
    .description('A self-hosted security token service for keyless CI.')
    .addHelpText('after', footer);
  for (const command of commands) program.addCommand(command(terminal));
  settle(program, terminal);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    return report(terminal, error);
  }
}

/** `addCommand` inherits nothing, so every level is told where to write and not to end the process. */
function settle(command: Command, terminal: Terminal): void {
  command.enablePositionalOptions().exitOverride().showHelpAfterError('(--help says more)');
  command.configureOutput({ writeOut: terminal.write, writeErr: terminal.writeError });
  for (const child of command.commands) settle(child, terminal);
}

function report(terminal: Terminal, error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const failure = error instanceof Failure ? error : new Failure(EXIT.refused, describe(error));
  terminal.writeError(`${paint(terminal, 'red', 'error')} ${failure.message}\n`);
  if (failure.next !== null) terminal.writeError(`next  ${failure.next}\n`);
  return failure.exitCode;
}

const describe = (error: unknown): string => (error instanceof Error ? error.message : 'it failed');
