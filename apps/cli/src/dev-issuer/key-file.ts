import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose';
import { usageFailure } from '../failure';

/** The local issuer's identity. Kept in a file, so that a restart keeps the `kid` and running shells their token. */
export interface DevIssuerKey {
  kid: string;
  /** RS256 key of 2048 bits, as GitHub's are. */
  privateKey: CryptoKey;
  publicJwk: JWK;
  /** What a job has to show at the request URL. */
  requestToken: string;
}

interface Stored {
  privateJwk: JWK;
  requestToken: string;
}

/** Reads the key file, or creates it (mode 0600) when there is none. */
export async function loadKey(path: string): Promise<DevIssuerKey> {
  const stored = readStored(path) ?? (await createStored(path));
  const { kty, n, e, kid } = stored.privateJwk;
  if (kty !== 'RSA' || n === undefined || e === undefined || kid === undefined) throw notAKeyFile(path);
  return {
    kid,
    privateKey: (await importJWK(stored.privateJwk, 'RS256')) as CryptoKey,
    publicJwk: { kty, n, e, kid, alg: 'RS256', use: 'sig' },
    requestToken: stored.requestToken,
  };
}

function readStored(path: string): Stored | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw usageFailure(`cannot read the key file ${path}`);
  }
  try {
    const stored = JSON.parse(text) as Partial<Stored>;
    if (stored.privateJwk && typeof stored.requestToken === 'string') return stored as Stored;
  } catch {
    // Falls through to the same answer as a file of another shape.
  }
  throw notAKeyFile(path);
}

async function createStored(path: string): Promise<Stored> {
  const { privateKey } = await generateKeyPair('RS256', { modulusLength: 2048, extractable: true });
  const jwk = await exportJWK(privateKey);
  const privateJwk = { ...jwk, kid: await calculateJwkThumbprint(jwk) };
  const stored = { privateJwk, requestToken: randomBytes(24).toString('base64url') };
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(stored, null, 2)}\n`, { mode: 0o600 });
  return stored;
}

const notAKeyFile = (path: string): Error =>
  usageFailure(`${path} is not a key file of the local issuer`, 'Delete it, or name another one with --key-file.');
