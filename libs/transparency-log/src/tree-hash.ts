import { hash } from 'node:crypto';

/** SHA-256, 32 bytes. */
export type Hash = Buffer;

/** Leaves and inner nodes are hashed apart, so that neither can be passed off as the other (RFC 6962 §2.1). */
const LEAF = Buffer.of(0);
const NODE = Buffer.of(1);

/** At once: an object of the library for each hash costs more than a copy of what is hashed. */
const sha256 = (...parts: Uint8Array[]): Hash => hash('sha256', Buffer.concat(parts), 'buffer');

/** Hash of one entry of the log, given the bytes that stand for it. */
export const leafHash = (entry: Uint8Array | string): Hash =>
  sha256(LEAF, typeof entry === 'string' ? Buffer.from(entry) : entry);

/** Hash of the subtree with these two halves. */
export const nodeHash = (left: Hash, right: Hash): Hash => sha256(NODE, left, right);

/** Root of the tree without entries. */
export const emptyRoot = (): Hash => sha256();

/** Hash of adjoining subtrees, largest first: how the right edge of a tree that is not full is put together. */
export const foldHashes = (hashes: readonly Hash[]): Hash =>
  hashes.length === 0 ? emptyRoot() : hashes.reduceRight((right, left) => nodeHash(left, right));
