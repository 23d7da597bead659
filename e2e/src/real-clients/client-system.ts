import { createServer } from 'node:http';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLocalIssuer, type LocalIssuer } from '@countersign/testing';
import { apply } from '../support/client';
import { githubClaims, jwtIssuer, policy, role } from '../support/documents';
import { startEmbedded, type EmbeddedSystem } from '../support/embedded';

export const API = 'https://api.example.com';

/** Answers as the runner of GitHub Actions does: an ID token of this job for the audience asked for. */
export interface RunnerEndpoint {
  url: string;
  requestToken: string;
  stop: () => void;
}

/** The embedded mode, trusting one issuer, for clients that others wrote. */
export class ClientSystem {
  private constructor(
    readonly system: EmbeddedSystem,
    readonly issuer: LocalIssuer,
    readonly runner: RunnerEndpoint,
    readonly dataDir: string,
  ) {}

  static async start(settings: Record<string, string> = {}): Promise<ClientSystem> {
    const dataDir = await mkdtemp(join(tmpdir(), 'countersign-clients-'));
    await chmod(dataDir, 0o755);
    const [issuer, system] = await Promise.all([startLocalIssuer(), startEmbedded(dataDir, undefined, settings)]);
    const runner = await startRunner((aud) => issuer.sign(githubClaims(issuer.iss, { aud })));
    const condition = { StringEqual: { 'jwt:iss': [issuer.iss], 'jwt:repository_id': ['1001'] } };
    const audience = [system.url, API];
    await apply(system, [
      jwtIssuer('github', issuer.iss, { platform: 'github', aud: [system.url] }),
      policy('deploy', ['Function:Deploy'], ['staging:*']),
      role('deployers', { policy: ['deploy'], condition, audience, multipleAudiences: true }),
    ]);
    return new ClientSystem(system, issuer, runner, dataDir);
  }

  async stop(): Promise<void> {
    this.runner.stop();
    await this.system.kill('SIGTERM');
    await this.issuer.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  /** A new token of a job on main of acme/web. */
  jobToken = (changes: Record<string, unknown> = {}): Promise<string> =>
    this.issuer.sign(githubClaims(this.issuer.iss, { aud: this.system.url, ...changes }));
}

async function startRunner(mint: (audience: string) => Promise<string>): Promise<RunnerEndpoint> {
  const requestToken = crypto.randomUUID();
  const answer = async (audience: string | null): Promise<string> =>
    JSON.stringify({ count: 1, value: await mint(audience ?? 'https://github.com/acme') });
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://runner');
    if (request.headers.authorization?.toLowerCase() !== `bearer ${requestToken}`) return response.writeHead(401).end();
    response.writeHead(200, { 'content-type': 'application/json' });
    void answer(searchParams.get('audience')).then((body) => response.end(body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/idtoken?api-version=2.0`;
  return { url, requestToken, stop: () => server.close() };
}
