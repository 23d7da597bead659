import { setFlagsFromString } from 'node:v8';
import type { RunningService } from './service';
import { ConfigError } from './variables';

const EX_CONFIG = 78;
const STOP_LIMIT_MS = 20_000;

/**
 * The life of a service process: start it, stop it on SIGTERM or SIGINT, exit 0. A wrong configuration is one line
 * on standard error and exit code 78.
 */
export function runService(start: () => Promise<Pick<RunningService, 'stop'>>): void {
  // A heap of 40 MB would be let grow to several times that before what requests leave behind is collected.
  setFlagsFromString('--heap-growing-percent=50');
  // Our own requests verify whatever it says; connections to NATS, Redis and PostgreSQL would not.
  if (process.env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0')
    endWith(new ConfigError('NODE_TLS_REJECT_UNAUTHORIZED=0: certificates are always verified; remove it'));
  start().then(stopOnSignal, endWith);
}

/** Ends the process when a check that goes on in the background finds a wrong configuration. */
export function endOnConfigError(check: Promise<void>): void {
  check.catch((error: unknown) => {
    if (error instanceof ConfigError) endWith(error);
  });
}

function endWith(error: unknown): never {
  const isConfig = error instanceof ConfigError;
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${isConfig ? message : `cannot start: ${message}`}\n`);
  process.exit(isConfig ? EX_CONFIG : 1);
}

function stopOnSignal(service: Pick<RunningService, 'stop'>): void {
  let isStopping = false;
  const stop = (): void => {
    // A terminal's Ctrl-C and the SIGTERM of whoever started us may both come.
    if (isStopping) return;
    isStopping = true;
    setTimeout(() => process.exit(1), STOP_LIMIT_MS).unref();
    service.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
}
