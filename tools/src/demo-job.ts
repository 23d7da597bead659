import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DemoFailure } from './demo-http';
import { startProgram, waitFor } from './demo-process';

/** A job on a platform that gives it OIDC tokens; the platform is `countersign dev issuer`. */
export interface DemoJob {
  iss: string;
  requestUrl: string;
  requestToken: string;
  mint: (audience: string) => Promise<string>;
  stop: () => Promise<void>;
}

/** Starts the local GitHub-shaped issuer on a free port, with a key of its own; `claims` change what the job is. */
export async function startJob(claims: Record<string, string> = {}): Promise<DemoJob> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-issuer-'));
  const claimsFile = join(folder, 'claims.json');
  await writeFile(claimsFile, JSON.stringify(claims));
  const args = ['dev', 'issuer', '--port', '0', '--key-file', join(folder, 'key.json'), '--claims', claimsFile];
  const started = startProgram('apps/cli/bin/countersign.js', args, {});
  const stop = async (): Promise<void> => {
    await started.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const exported = (name: string): string | undefined =>
    new RegExp(`export ${name}='([^']+)'`).exec(started.output())?.[1];
  const { requestUrl, requestToken } = await waitFor(started, 'the local issuer', () => {
    const found = {
      requestUrl: exported('ACTIONS_ID_TOKEN_REQUEST_URL'),
      requestToken: exported('ACTIONS_ID_TOKEN_REQUEST_TOKEN'),
    };
    return found.requestToken === undefined ? null : found;
  });
  if (requestUrl === undefined || requestToken === undefined) throw new DemoFailure('the local issuer says its URL');
  const mint = (audience: string): Promise<string> => requestJobToken(requestUrl, requestToken, audience);
  return { iss: new URL(requestUrl).origin, requestUrl, requestToken, mint, stop };
}

async function requestJobToken(requestUrl: string, requestToken: string, audience: string): Promise<string> {
  const url = new URL(requestUrl);
  url.searchParams.set('audience', audience);
  const response = await fetch(url, { headers: { authorization: `bearer ${requestToken}` } });
  const { value } = (await response.json()) as { value?: string };
  if (value === undefined) throw new DemoFailure(`a job token; the platform answered ${response.status}`);
  return value;
}
