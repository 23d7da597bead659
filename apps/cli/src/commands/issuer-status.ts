import type { IssuerStatus, Page } from '@countersign/contracts';
import { Command } from 'commander';
import { callApi } from '../api';
import { formatTable, outputOption, print, type Output } from '../format';
import type { Terminal } from '../terminal';

/** `countersign issuer status`: can we get the keys of the issuers we trust? */
export const issuerCommand = (terminal: Terminal): Command =>
  new Command('issuer').description('look at trusted issuers').addCommand(
    new Command('status')
      .description('state, keys and last error of one trusted issuer or of all')
      .argument('[name]', 'name of the JwtIssuer')
      .addOption(outputOption())
      .action(async (name: string | undefined, { output }: { output?: Output }) => {
        if (name === undefined) {
          const page = await callApi<Page<IssuerStatus>>(terminal, { path: '/v1/issuers/status' });
          return print(terminal, output, page, () => formatStatus(page.items));
        }
        const one = await callApi<IssuerStatus>(terminal, { path: `/v1/issuers/${encodeURIComponent(name)}/status` });
        return print(terminal, output, one, () => formatStatus([one]));
      }),
  );

/** A table of issuers; a sentence when there are none. */
export function formatStatus(items: readonly IssuerStatus[]): string {
  const rows = items.map((issuer) => [
    issuer.name,
    issuer.state,
    String(issuer.keys.length),
    issuer.rejectedKeys.map(({ kid, reason }) => `${kid ?? '(no kid)'}: ${reason}`).join(', ') || '-',
    issuer.lastSuccessAt ?? 'never',
    issuer.lastError ?? '-',
    issuer.iss,
  ]);
  const headings = ['name', 'state', 'keys', 'refused keys', 'last success', 'last error', 'iss'];
  return formatTable(headings, rows) || 'no issuer is trusted yet\n';
}
