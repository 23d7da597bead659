import { Command } from 'commander';
import { callApi } from '../api';
import { parseKind } from '../kinds';
import type { Terminal } from '../terminal';

/** `countersign delete`: one document. */
export const deleteCommand = (terminal: Terminal): Command =>
  new Command('delete')
    .description('delete one document')
    .argument('<kind>', 'JwtIssuer, Policy or Role')
    .argument('<name>')
    .action(async (kindText: string, name: string) => {
      const kind = parseKind(kindText);
      await callApi(terminal, { method: 'DELETE', path: `/v1/resources/${kind}/${encodeURIComponent(name)}` });
      terminal.write(`${kind}/${name} deleted\n`);
    });
