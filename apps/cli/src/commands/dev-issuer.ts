import { Command } from 'commander';
import { readClaims } from '../dev-issuer/claims';
import { issuerDocument } from '../dev-issuer/issuer-document';
import { startDevIssuer, type DevIssuer } from '../dev-issuer/issuer-server';
import { claimsFileOf, keyFileOf, withIssuerOptions } from '../dev-issuer/issuer-options';
import { loadKey } from '../dev-issuer/key-file';
import { formatFields } from '../format';
import { readSettings } from '../settings';
import type { Terminal } from '../terminal';
import { devIssuerTokenCommand } from './dev-issuer-token';

interface Options {
  port: number;
  claims?: string;
  keyFile?: string;
  audience?: string[];
  printDocument?: boolean;
}

/** `countersign dev issuer`: a local issuer shaped like GitHub's, for trying things out. */
export const devCommand = (terminal: Terminal): Command =>
  new Command('dev').description('tools for development').addCommand(
    withIssuerOptions(new Command('issuer'))
      .description('run a local issuer shaped like GitHub Actions (loopback only, never for production)')
      .option('--audience <audience...>', 'audiences to put into the JwtIssuer document (default: COUNTERSIGN_URL)')
      .option('--print-document', 'print the JwtIssuer document and stop')
      .action(async (options: Options) => {
        if (options.printDocument) return printDocument(terminal, options);
        return serve(terminal, options);
      })
      .addCommand(devIssuerTokenCommand(terminal)),
  );

function printDocument(terminal: Terminal, { port, audience }: Options): void {
  terminal.write(issuerDocument(`http://127.0.0.1:${port}`, audience ?? [readSettings(terminal).url]));
}

async function serve(terminal: Terminal, options: Options): Promise<void> {
  const claims = claimsFileOf(terminal, options.claims);
  readClaims(claims);
  const key = await loadKey(keyFileOf(terminal, options.keyFile));
  const issuer = await startDevIssuer({
    port: options.port,
    key,
    readOverrides: () => readClaims(claims),
    onMint: (audience) => terminal.writeError(`minted a token for ${audience ?? 'the default audience'}\n`),
  });
  terminal.write(greeting(issuer, key.requestToken, key.kid));
  await stopSignal();
  await issuer.close();
}

/** The request token is no secret of anyone's: it opens a loopback server that signs what it is told. */
const greeting = ({ iss, requestUrl }: DevIssuer, requestToken: string, kid: string): string =>
  [
    formatFields([
      ['local issuer', iss],
      ['kid', kid],
    ]),
    '\nTrust it:        countersign dev issuer --print-document | countersign apply -f -',
    '\nPose as a job, in another shell, then run `countersign exchange`:\n',
    `export ACTIONS_ID_TOKEN_REQUEST_URL='${requestUrl}'\n`,
    `export ACTIONS_ID_TOKEN_REQUEST_TOKEN='${requestToken}'\n`,
  ].join('');

const stopSignal = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
