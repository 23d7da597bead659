import { UnavailableError } from '@countersign/platform';
import {
  consistencyPath,
  hashesAtLevel,
  inclusionPath,
  joinEntries,
  leafHash,
  TILE_WIDTH,
  type Commitments,
  type Hash,
  type Range,
  type Tile,
} from '@countersign/transparency-log';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditDatabase } from '../database';
import { commitmentsOf, type SealedEvent } from '../personal-data/sealed-event';
import { SubjectKeys } from '../personal-data/subject-keys';
import { EVENT_COLUMNS } from '../trail/event-rows';
import { readKeptRange } from '../trail/kept-range';
import { latestCheckpoint, type CheckpointRow } from './checkpoint-rows';
import { CheckpointWriter } from './checkpoint-writer';
import { readEntries, readHashes, readRange } from './tree-rows';

export interface InclusionProof {
  eventId: string;
  /** Of the entry in the log: the event's sequence less one. */
  index: number;
  leafHash: string;
  /** What makes the entry of the event as it is shown; null when it is shown as it is in the log. */
  commitments: { salt: string; members: readonly string[] } | null;
  /** Of the tree that the checkpoint signs for. */
  size: number;
  root: string;
  proof: string[];
  checkpoint: string;
}

export interface ConsistencyProof {
  first: number;
  second: number;
  proof: string[];
  checkpoint: string;
}

/** Retry-After of an event that is in the trail and in no checkpoint yet. */
const RETRY_SECONDS = 2;

/** Reads the log: hashes in base64, as checkpoints have them. */
@Injectable()
export class LogReader {
  constructor(
    private readonly database: AuditDatabase,
    private readonly writer: CheckpointWriter,
    private readonly keys: SubjectKeys,
  ) {}

  /** The newest checkpoint; null while the trail is empty. */
  async checkpoint(): Promise<CheckpointRow | null> {
    const latest = await this.database.run(latestCheckpoint);
    return latest ?? this.writer.advance();
  }

  /**
   * That an event is in the log; null when there is no such event.
   * @throws UnavailableError while no checkpoint covers it
   */
  async inclusion(eventId: string): Promise<InclusionProof | null> {
    const sql = `SELECT ${EVENT_COLUMNS} FROM audit.event e WHERE event_id = $1`;
    const [event] = await this.database.query<SealedEvent & { sequence: string }>(sql, [eventId]);
    if (event === undefined) return null;
    const index = Number(event.sequence) - 1;
    const { size, root, note } = await this.covering(index);
    const commitments = asAnswer(commitmentsOf(event, await this.keys.ring()));
    return this.database.run(async (manager) => {
      const [entry] = await readEntries(manager, { from: index, to: index + 1 });
      if (entry === undefined) return null;
      const proof = await readPath(manager, inclusionPath(index, size));
      return {
        ...{ eventId, index, leafHash: leafHash(entry).toString('base64'), commitments },
        ...{ size, root: root.toString('base64'), proof, checkpoint: note },
      };
    });
  }

  /** That the log of `first` entries is the beginning of the newest one; null when there are not that many. */
  async consistency(first: number): Promise<ConsistencyProof | null> {
    const checkpoint = await this.checkpoint();
    if (checkpoint === null || first > checkpoint.size) return null;
    const { size: second, note } = checkpoint;
    const proof = await this.database.run((manager) => readPath(manager, consistencyPath(first, second)));
    return { first, second, proof, checkpoint: note };
  }

  /**
   * The bytes of a tile as C2SP tlog-tiles lays them out; null for one that the newest checkpoint does not have. An
   * entry that retention removed is empty; its hash is not.
   */
  async tile({ level, index, width }: Tile): Promise<Buffer | null> {
    const size = (await this.checkpoint())?.size ?? 0;
    const from = index * TILE_WIDTH;
    const to = from + width;
    if (to > hashesAtLevel(size, level === 'entries' ? 0 : level)) return null;
    return this.database.run(async (manager) =>
      level === 'entries'
        ? joinEntries(await readKept(manager, { from, to }))
        : Buffer.concat(await readHashes(manager, level, { from, to })),
    );
  }

  private async covering(index: number): Promise<CheckpointRow> {
    const latest = await this.checkpoint();
    if (latest !== null && latest.size > index) return latest;
    const next = await this.writer.advance();
    if (next !== null && next.size > index) return next;
    throw new UnavailableError('audit-log', { retryAfterSeconds: RETRY_SECONDS });
  }
}

const asAnswer = (commitments: Commitments | null): InclusionProof['commitments'] =>
  commitments && { ...commitments, salt: Buffer.from(commitments.salt).toString('base64') };

async function readKept(manager: EntityManager, { from, to }: Range): Promise<string[]> {
  const entries = await readEntries(manager, { from, to });
  // After the entries: what goes in between counts as gone.
  const { removed } = await readKeptRange(manager);
  const gone = Math.min(Math.max(removed - from, 0), to - from);
  return [...Array<string>(gone).fill(''), ...entries.slice(Math.max(0, entries.length - (to - from - gone)))];
}

async function readPath(manager: EntityManager, path: readonly Range[]): Promise<string[]> {
  const hashes: Hash[] = [];
  for (const range of path) hashes.push(await readRange(manager, range));
  return hashes.map((hash) => hash.toString('base64'));
}
