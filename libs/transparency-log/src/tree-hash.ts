import { createHash } from 'node:crypto';

/** SHA-256, 32 bytes. */
export type Hash = Buffer;

/** Leaves and inner nodes are hashed apart, so that neither can be passed off as the other (RFC 6962 §2.1). */
const LEAF = Buffer.of(0);
const NODE = Buffer.of(1);

/** Hash of one entry of the log, given the bytes that stand for it. */
export const leafHash = (entry: Uint8Array | string): Hash => createHash('sha256').update(LEAF).update(entry).digest();

/** Hash of the subtree with these two halves. */
export const nodeHash = (left: Hash, right: Hash): Hash =>
  createHash('sha256').update(NODE).update(left).update(right).digest();

/** Root of the tree without entries. */
export const emptyRoot = (): Hash => createHash('sha256').digest();

/** Hash of adjoining subtrees, largest first: how the right edge of a tree that is not full is put together. */
export const foldHashes = (hashes: readonly Hash[]): Hash =>
  hashes.length === 0 ? emptyRoot() : hashes.reduceRight((right, left) => nodeHash(left, right));
