export { canonicalJson } from './canonical-json';
export {
  formatVerifierKey,
  openCheckpoint,
  splitCheckpoints,
  parseVerifierKey,
  signCheckpoint,
  type CheckpointSigner,
  type CheckpointVerifier,
  type OpenedCheckpoint,
  type TreeHead,
} from './checkpoint';
export { commit, memberAt, withCommitments, withMember, type Commitments } from './commitments';
export { CompactTree } from './compact-tree';
export { LogCheck, type LogCheckInput, type LogFault } from './log-check';
export { consistencyPath, inclusionPath } from './proofs';
export { edgeNodes, nodesOf, type Node, type Range } from './ranges';
export {
  hashesAtLevel,
  joinEntries,
  parseTilePath,
  splitEntries,
  splitHashes,
  subtreeHash,
  tileOf,
  tilePath,
  TILE_HEIGHT,
  TILE_WIDTH,
  type Tile,
} from './tiles';
export { emptyRoot, foldHashes, leafHash, nodeHash, type Hash } from './tree-hash';
export { verifyConsistency, verifyInclusion, type ConsistencyClaim, type InclusionClaim } from './verify-proof';
