import { rm } from 'node:fs/promises';
import { startLocalIssuer, type LocalIssuer } from '@countersign/testing';
import { githubClaims } from '../support/documents';
import { startEmbedded, type EmbeddedSystem } from '../support/embedded';
import { newDataDir, retried, trust } from './replay-stack';
import { singleUseCases } from './single-use-cases';

const ROUNDS = process.env.COUNTERSIGN_SOAK === '1' ? 50 : 3;

const SETTINGS = { COUNTERSIGN_TRUSTED_PROXIES: '127.0.0.1' };

let dataDir: string;
let issuer: LocalIssuer;
let system: EmbeddedSystem;

beforeAll(async () => {
  dataDir = await newDataDir();
  issuer = await startLocalIssuer({ algorithms: ['ES256'] });
  system = await startEmbedded(dataDir, undefined, SETTINGS);
  await trust(system, issuer);
});

afterAll(async () => {
  await system?.kill('SIGTERM');
  await issuer?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

singleUseCases('embedded', () => ({ admin: system, at: [system], issuer }), ROUNDS);

it('kill -9 of all of it forgets no use, and refuses no token that was not used', async () => {
  const sign = (): Promise<string> => issuer.sign(githubClaims(issuer.iss));
  const [used, unused] = [await sign(), await sign()];
  expect(await retried(system, used)).toBe('granted');
  const port = Number(new URL(system.url).port);
  await system.kill('SIGKILL');
  system = await startEmbedded(dataDir, port, SETTINGS);
  expect(await retried(system, used)).toBe('used before');
  expect(await retried(system, unused)).toBe('granted');
  expect(await retried(system, unused)).toBe('used before');
});
