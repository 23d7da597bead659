import { Command } from 'commander';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose';
import { callApi } from '../api';
import { decodeToken, describeTime, nowInSeconds, type DecodedToken } from '../decode-token';
import { EXIT, Failure, usageFailure } from '../failure';
import { formatFields, outputOption, paint, print, type Output } from '../format';
import type { Terminal } from '../terminal';
import { revokeTokenCommand } from './token-revoke';

const times = ['iat', 'nbf', 'exp'] as const;

/** `countersign token …` */
export const tokenCommand = (terminal: Terminal): Command =>
  new Command('token')
    .description('look at tokens, revoke them')
    .addCommand(inspectTokenCommand(terminal))
    .addCommand(revokeTokenCommand(terminal));

/** `countersign token inspect`: what a token says, and on request whether we issued it. */
const inspectTokenCommand = (terminal: Terminal): Command =>
  new Command('inspect')
    .description('show header and claims of a token; verifies nothing unless asked to')
    .argument('[token]', 'the token, or - for standard input', '-')
    .option('--verify', 'verify it as a countersign token, with the keys and the name of COUNTERSIGN_URL')
    .addOption(outputOption())
    .action(async (argument: string, { verify, output }: { verify?: boolean; output?: Output }) => {
      const token = (argument === '-' ? await terminal.readStdin() : argument).trim();
      if (token === '') throw usageFailure('there is no token to inspect');
      const decoded = decodeToken(token);
      if (verify) await verifyAsOurs(terminal, token);
      const value = { verified: verify === true, ...decoded };
      print(
        terminal,
        output,
        value,
        () => verdictLine(terminal, value.verified) + formatToken(decoded, nowInSeconds()),
      );
    });

/** RFC 9068 section 4: type, issuer and signature; jose checks the times. */
async function verifyAsOurs(terminal: Terminal, token: string): Promise<void> {
  const open = { authenticated: false };
  const metadata = await callApi<{ issuer: string }>(terminal, {
    path: '/.well-known/oauth-authorization-server',
    ...open,
  });
  const keys = await callApi<JSONWebKeySet>(terminal, { path: '/oauth2/jwks', ...open });
  try {
    await jwtVerify(token, createLocalJWKSet(keys), { typ: 'at+jwt', issuer: metadata.issuer });
  } catch (error) {
    throw new Failure(
      EXIT.refused,
      `not a valid token of ${metadata.issuer}: ${error instanceof Error ? error.message : 'it did not verify'}`,
      'Without --verify its content can be looked at.',
    );
  }
}

const verdictLine = (terminal: Terminal, verified: boolean): string =>
  verified
    ? paint(
        terminal,
        'green',
        'verified: signature, type, issuer and times hold; whether it was revoked was not asked\n\n',
      )
    : paint(terminal, 'yellow', 'not verified: anybody could have written this\n\n');

/** Header, claims and the times in words. */
export function formatToken({ header, claims }: DecodedToken, now: number): string {
  const fields = (title: string, object: Record<string, unknown>): string =>
    `${title}\n${indent(formatFields(Object.entries(object).map(([name, value]) => [name, text(name, value, now)])))}`;
  return `${fields('header', header)}\n${fields('claims', claims)}`;
}

function text(name: string, value: unknown, now: number): string {
  if ((times as readonly string[]).includes(name) && typeof value === 'number') {
    return `${value}  ${describeTime(value, now)}`;
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const indent = (block: string): string => block.replace(/^(?=.)/gm, '  ');
