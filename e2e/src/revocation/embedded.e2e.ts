import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, startLocalIssuer, type LocalIssuer } from '@countersign/testing';
import { admin, apply, exchange } from '../support/client';
import { githubClaims, jwtIssuer, policy, role } from '../support/documents';
import { startEmbedded, type EmbeddedSystem } from '../support/embedded';
import { form } from './revocation-system';

describe('the embedded mode', () => {
  let folder: string;
  let system: EmbeddedSystem;
  let issuer: LocalIssuer;

  const token = async (changes: Record<string, unknown> = {}): Promise<string> => {
    const { status, body } = await exchange(system, await issuer.sign(githubClaims(issuer.iss, changes)));
    if (status !== 200) throw new Error(`exchange: ${status}`);
    return body.access_token as string;
  };
  const isActive = async (one: string): Promise<boolean> => {
    const { body } = await form(`${system.url}/oauth2/introspect`, { token: one }, system.adminToken);
    return body.active as boolean;
  };
  const decide = async (one: string): Promise<boolean> => {
    const subject = { type: 'access_token', id: one };
    const question = { subject, action: { name: 'Function:Deploy' }, resource: { type: 'function', id: 'web' } };
    return (await admin(system, 'POST', '/access/v1/evaluation', question)).body.decision as boolean;
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-revocation-'));
    [system, issuer] = await Promise.all([startEmbedded(folder), startLocalIssuer()]);
    await apply(system, [
      jwtIssuer('github', issuer.iss, { carry: ['run_id'] }),
      policy('deploy', ['Function:Deploy'], ['*']),
      role('deployers', { policy: ['deploy'], maxUses: 2, condition: { StringEqual: { 'jwt:iss': [issuer.iss] } } }),
    ]);
    await eventually(() => token());
  });

  afterAll(async () => {
    await system?.kill('SIGTERM');
    await issuer?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('remembers what is revoked and used up over a crash', async () => {
    const [revoked, ofRun, used, alive] = [await token(), await token({ run_id: '7' }), await token(), await token()];
    expect([await decide(used), await decide(used), await decide(used)]).toEqual([true, true, false]);
    expect((await form(`${system.url}/oauth2/revoke`, { token: revoked })).status).toBe(200);
    const terms = { claims: { run_id: '7' }, reason: 'leaked' };
    expect((await admin(system, 'POST', '/v1/revocations', terms)).status).toBe(201);
    await system.kill('SIGKILL');
    system = await startEmbedded(folder, Number(new URL(system.url).port));
    const active = [];
    for (const one of [revoked, ofRun, used, alive]) active.push(await isActive(one));
    expect(active).toEqual([false, false, true, true]);
    expect([await decide(used), await decide(alive)]).toEqual([false, true]);
  });
});
