import { createHash, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { isSize } from './ranges';
import type { Hash } from './tree-hash';

/** The head of a log at one size. */
export interface TreeHead {
  /** Names the log: our public URL without its scheme. */
  origin: string;
  size: number;
  root: Hash;
}

/** A key that signs checkpoints, with the name it goes by. */
export interface CheckpointSigner {
  name: string;
  /** Ed25519. */
  privateKey: KeyObject;
}

/** What a verifier must know of the log, out of band. */
export interface CheckpointVerifier {
  name: string;
  /** Ed25519. */
  publicKey: KeyObject;
}

export type OpenedCheckpoint =
  { ok: true; head: TreeHead } | { ok: false; reason: 'malformed' | 'unknown_key' | 'bad_signature' | 'other_log' };

const ED25519 = 1;
const SIGNATURE_LINE = /^\u2014 (\S+) ([A-Za-z0-9+/]+={0,2})$/;
/** A checkpoint may hold signatures of many witnesses, and no more than that. */
const MAX_SIGNATURES = 16;
const MAX_LENGTH = 8_192;

/** The checkpoint of a tree (C2SP tlog-checkpoint), signed as a note (C2SP signed-note). */
export function signCheckpoint({ origin, size, root }: TreeHead, signer: CheckpointSigner): string {
  const text = `${origin}\n${size}\n${root.toString('base64')}\n`;
  const signature = sign(null, Buffer.from(text), signer.privateKey);
  const blob = Buffer.concat([keyId(signer.name, createPublicKey(signer.privateKey)), signature]);
  return `${text}\n\u2014 ${signer.name} ${blob.toString('base64')}\n`;
}

/** Reads a checkpoint and checks its signature and that it is of the log of that name. */
export function openCheckpoint(note: string, verifier: CheckpointVerifier): OpenedCheckpoint {
  const parts = splitNote(note);
  const head = parts && readHead(parts.text);
  if (!parts || !head) return { ok: false, reason: 'malformed' };
  const id = keyId(verifier.name, verifier.publicKey);
  const own = parts.signatures.filter(({ name, blob }) => name === verifier.name && blob.subarray(0, 4).equals(id));
  if (own.length === 0) return { ok: false, reason: 'unknown_key' };
  const isSigned = own.every(({ blob }) => verify(null, Buffer.from(parts.text), verifier.publicKey, blob.subarray(4)));
  if (!isSigned) return { ok: false, reason: 'bad_signature' };
  return head.origin === verifier.name ? { ok: true, head } : { ok: false, reason: 'other_log' };
}

/** The checkpoints of a file in which they stand one after the other, an empty line between two. */
export const splitCheckpoints = (text: string): string[] =>
  text
    .split(/\n\n(?!\u2014)/)
    .map((note) => note.trim())
    .filter((note) => note !== '')
    .map((note) => `${note}\n`);

/** The verifier key of a log in the one line of C2SP signed-note: `name+id+key`. */
export function formatVerifierKey({ name, publicKey }: CheckpointVerifier): string {
  return `${name}+${keyId(name, publicKey).toString('hex')}+${typedKey(publicKey).toString('base64')}`;
}

/** Reads such a line; null when it is none, or of another kind of key. */
export function parseVerifierKey(line: string): CheckpointVerifier | null {
  const [, name, id, key] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
  const bytes = Buffer.from(key ?? '', 'base64');
  if (name === undefined || bytes.length !== 33 || bytes[0] !== ED25519) return null;
  const publicKey = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: bytes.subarray(1).toString('base64url') },
    format: 'jwk',
  });
  return keyId(name, publicKey).toString('hex') === id ? { name, publicKey } : null;
}

const typedKey = (publicKey: KeyObject): Buffer =>
  Buffer.concat([Buffer.of(ED25519), Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')]);

const keyId = (name: string, publicKey: KeyObject): Buffer =>
  createHash('sha256').update(`${name}\n`).update(typedKey(publicKey)).digest().subarray(0, 4);

function splitNote(note: string) {
  const end = note.lastIndexOf('\n\n');
  if (note.length > MAX_LENGTH || end < 0 || !note.endsWith('\n')) return null;
  const lines = note.slice(end + 2, -1).split('\n');
  const signatures = lines.map((line) => SIGNATURE_LINE.exec(line));
  if (lines.length > MAX_SIGNATURES || signatures.includes(null)) return null;
  return {
    text: note.slice(0, end + 1),
    signatures: signatures.map((match) => ({ name: match?.[1], blob: Buffer.from(match?.[2] ?? '', 'base64') })),
  };
}

/** Lines beyond the third are extensions that nothing here needs. */
function readHead(text: string): TreeHead | null {
  const [origin = '', size = '', root = ''] = text.split('\n');
  const hash = Buffer.from(root, 'base64');
  const isCanonical = /^(0|[1-9][0-9]*)$/.test(size) && hash.length === 32 && hash.toString('base64') === root;
  return origin !== '' && isCanonical && isSize(Number(size)) ? { origin, size: Number(size), root: hash } : null;
}
