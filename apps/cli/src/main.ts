import { runProgram } from './program';
import { processTerminal } from './terminal';

void runProgram(processTerminal(), process.argv.slice(2)).then((exitCode) => {
  process.exitCode = exitCode;
});
