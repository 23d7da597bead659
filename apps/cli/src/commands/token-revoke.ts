import { Command } from 'commander';
import { callApi } from '../api';
import { usageFailure } from '../failure';
import type { Terminal } from '../terminal';

/** `countersign token revoke`: a token of ours counts no more, here and at every decision (RFC 7009). */
export const revokeTokenCommand = (terminal: Terminal): Command =>
  new Command('revoke')
    .description('revoke an access token; having it is enough')
    .argument('[token]', 'the token, or - for standard input', '-')
    .action(async (argument: string) => {
      const token = (argument === '-' ? await terminal.readStdin() : argument).trim();
      if (token === '') throw usageFailure('there is no token to revoke');
      const body = new URLSearchParams({ token });
      await callApi(terminal, { method: 'POST', path: '/oauth2/revoke', body, authenticated: false });
      terminal.write('revoked, if it was a token of this countersign\n');
    });
