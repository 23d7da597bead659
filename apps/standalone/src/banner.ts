export interface BannerFacts {
  url: string;
  dataDir: string;
  adminTokenFile: string | null;
  loopbackIssuers: boolean;
}

/** What a person wants to know after `npm start`; colours only where they are shown. */
export function banner({ url, dataDir, adminTokenFile, loopbackIssuers }: BannerFacts, colour: boolean): string {
  const style = (code: number, text: string): string => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  const row = (name: string, value: string): string => `  ${style(2, name.padEnd(14))}${value}`;
  return [
    '',
    `  ${style(1, 'countersign')} is ready on ${style(36, url)}`,
    '',
    row('data', dataDir),
    row('admin token', adminTokenFile ?? 'as given in the environment'),
    ...(loopbackIssuers ? [row('development', 'issuers and webhooks on http://127.0.0.1 are allowed')] : []),
    '',
    '  Next, in another terminal:',
    `    ${style(32, 'npm run demo')}                 the main job, step by step`,
    `    ${style(32, 'npx countersign dev issuer')}   a local issuer that stands in for GitHub Actions`,
    '',
    '  Embedded mode: one machine, one process. Ctrl-C stops it; the data stays.',
    '',
    '',
  ].join('\n');
}
