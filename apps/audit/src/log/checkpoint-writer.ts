import { createPublicKey } from 'node:crypto';
import { Clock, derivePurposeKey, ed25519Key, Logger, Metrics } from '@countersign/platform';
import { formatVerifierKey, signCheckpoint, type CheckpointSigner } from '@countersign/transparency-log';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditConfig } from '../config';
import { AuditDatabase } from '../database';
import { latestCheckpoint, storeCheckpoint, type CheckpointRow } from './checkpoint-rows';
import { readStoredHashes, readTree, storeFullTiles } from './tree-rows';

const LOCK = `SELECT pg_try_advisory_xact_lock(hashtext('countersign'), hashtext('audit.checkpoint')) AS locked`;
/** Entries that one checkpoint takes in at most: a step stays short, also after a long rest. */
const MOST_ENTRIES = 4_096;
const STEP_LIMIT = { limitMs: 10_000 };

/** The rows of the trail are not those that were signed for. */
class TamperedTrail extends Error {}

/** Grows the log over the trail and signs its head. The key is made from the encryption key, never from the database. */
@Injectable()
export class CheckpointWriter {
  private readonly signer: CheckpointSigner;
  private readonly tampered;

  constructor(
    private readonly database: AuditDatabase,
    private readonly clock: Clock,
    private readonly logger: Logger,
    metrics: Metrics,
    { publicUrl, encryptionKey }: AuditConfig,
  ) {
    const privateKey = ed25519Key(derivePurposeKey(encryptionKey, 'checkpoints'));
    this.signer = { name: logName(publicUrl), privateKey };
    this.tampered = metrics.gauge('countersign_audit_trail_tampered', '1 when stored events are not those signed for');
    this.tampered.set(0);
  }

  /** What verifiers need to know, in one line (C2SP signed-note). */
  verifierKey(): string {
    const { name, privateKey } = this.signer;
    return formatVerifierKey({ name, publicKey: createPublicKey(privateKey) });
  }

  /**
   * Takes in what the trail has got since the last checkpoint; resolves with the new one, and with null when there is
   * nothing new, another replica is at it, or the trail is not what was signed for.
   * @throws UnavailableError
   */
  async advance(): Promise<CheckpointRow | null> {
    try {
      return await this.database.transaction((manager) => this.step(manager), STEP_LIMIT);
    } catch (error) {
      if (!(error instanceof TamperedTrail) && !(error instanceof RangeError)) throw error;
      this.tampered.set(1);
      this.logger.error('the trail is not what was signed for; no checkpoint is written', { reason: error.message });
      return null;
    }
  }

  private async step(manager: EntityManager): Promise<CheckpointRow | null> {
    const [row] = await manager.query<{ locked: boolean }[]>(LOCK);
    if (row?.locked !== true) return null;
    const before = await latestCheckpoint(manager);
    const size = before?.size ?? 0;
    const leaves = await readStoredHashes(manager, { from: size, to: size + MOST_ENTRIES });
    if (leaves.length === 0) return null;
    const tree = await readTree(manager, size);
    if (before !== null && !tree.root().equals(before.root)) {
      throw new TamperedTrail(`the first ${size} events have another root than the checkpoint of that size`);
    }
    leaves.forEach((leaf) => tree.append(leaf));
    await storeFullTiles(manager, size, leaves);
    return this.sign(manager, { size: tree.size, root: tree.root() });
  }

  private async sign(manager: EntityManager, head: Pick<CheckpointRow, 'size' | 'root'>): Promise<CheckpointRow> {
    const checkpoint = { ...head, note: signCheckpoint({ ...head, origin: this.signer.name }, this.signer) };
    await storeCheckpoint(manager, checkpoint, new Date(this.clock.now()));
    return checkpoint;
  }
}

/** The log goes by our public URL without its scheme, as C2SP tlog-checkpoint recommends. */
const logName = (publicUrl: string): string => publicUrl.replace(/^https?:\/\//, '');
