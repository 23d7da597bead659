import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import type { Terminal } from '../terminal';

const DEFAULT_PORT = 8090;

/** The options that say which local issuer is meant, shared by the server and by `token`. */
export const withIssuerOptions = (command: Command): Command =>
  command
    .option('--port <port>', 'port on 127.0.0.1; it is part of the issuer name', parsePort, DEFAULT_PORT)
    .option('--claims <file>', 'JSON object of claims that replace the built-in ones')
    .option('--key-file <path>', 'where its key is kept (default: dev-issuer.json in the data folder)');

/** Path of the key file; beside the data of the embedded mode unless said otherwise. */
export const keyFileOf = ({ env, cwd }: Terminal, keyFile: string | undefined): string =>
  keyFile === undefined
    ? join(env['COUNTERSIGN_DATA_DIR'] || join(cwd, '.countersign'), 'dev-issuer.json')
    : resolve(cwd, keyFile);

/** Path of the claims file, if one was named. */
export const claimsFileOf = ({ cwd }: Terminal, claims: string | undefined): string | undefined =>
  claims === undefined ? undefined : resolve(cwd, claims);

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new InvalidArgumentError('give a port number');
  return port;
}
