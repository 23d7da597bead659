import { Command, InvalidArgumentError } from 'commander';
import { readClaims } from '../dev-issuer/claims';
import { claimsFileOf, keyFileOf, withIssuerOptions } from '../dev-issuer/issuer-options';
import { loadKey } from '../dev-issuer/key-file';
import { mint } from '../dev-issuer/mint';
import { readSettings } from '../settings';
import type { Terminal } from '../terminal';

interface Options {
  port: number;
  claims?: string;
  keyFile?: string;
  audience?: string;
  claim: Record<string, string>;
}

/** `countersign dev issuer token`: mints one job token with the issuer's key file; the server need not be asked. */
export const devIssuerTokenCommand = (terminal: Terminal): Command =>
  withIssuerOptions(new Command('token'))
    .description('mint a job token and print it')
    .option('--audience <audience>', 'its audience (default: COUNTERSIGN_URL)')
    .option('--claim <name=value>', 'replace one claim; repeatable', collectClaim, {})
    .action(async ({ port, claims, keyFile, audience, claim }: Options) => {
      const token = await mint({
        iss: `http://127.0.0.1:${port}`,
        key: await loadKey(keyFileOf(terminal, keyFile)),
        audience: audience ?? readSettings(terminal).url,
        overrides: { ...readClaims(claimsFileOf(terminal, claims)), ...claim },
      });
      terminal.write(`${token}\n`);
    });

function collectClaim(text: string, earlier: Record<string, string>): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('write it as name=value');
  return { ...earlier, [text.slice(0, at)]: text.slice(at + 1) };
}
