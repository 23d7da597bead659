import { randomBytes } from 'node:crypto';
import { derivePurposeKey, Logger, seal, SealError, unseal } from '@countersign/platform';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditConfig } from '../config';
import { AuditDatabase } from '../database';
import { KeyRing } from './key-ring';
import type { DataSubject } from './personal-members';

/** Replicas that start together make one secret. */
const LOCK = `SELECT pg_advisory_xact_lock(hashtext('countersign'), hashtext('audit.subject_secret'))`;
const SECRET_BYTES = 32;

/** Inserts what is missing; `sealed_key` of what is there stays. */
const TAKE = `
  WITH wanted AS (
    SELECT decode(id, 'base64') AS subject_id, decode(key, 'base64') AS sealed_key
    FROM jsonb_to_recordset($1::jsonb) AS i (id text, key text)
  ), made AS (
    INSERT INTO audit.subject_key (subject_id, sealed_key)
    SELECT subject_id, sealed_key FROM wanted w
    WHERE NOT EXISTS (SELECT FROM audit.subject_key k WHERE k.subject_id = w.subject_id)
    RETURNING id, subject_id, sealed_key
  )
  SELECT id, subject_id AS "subjectId", sealed_key AS "sealedKey" FROM made
  UNION ALL SELECT id, subject_id, sealed_key FROM audit.subject_key
  WHERE subject_id IN (SELECT subject_id FROM wanted)`;

/** The key that the personal data of one subject is sealed with. */
export interface SubjectKey {
  id: string;
  key: Buffer;
}

interface KeyRow {
  id: string;
  subjectId: Buffer;
  sealedKey: Buffer;
}

/** Keys of subjects, stored sealed, under ids from which nobody can tell the subject without our secret. */
@Injectable()
export class SubjectKeys {
  private readonly sealingKey: Buffer;
  private readonly previousKey: Buffer | null;
  private loading: Promise<KeyRing> | undefined;

  constructor(
    private readonly database: AuditDatabase,
    private readonly logger: Logger,
    { encryptionKey, previousEncryptionKey }: AuditConfig,
  ) {
    this.sealingKey = derivePurposeKey(encryptionKey, 'personal-data');
    this.previousKey =
      previousEncryptionKey === undefined ? null : derivePurposeKey(previousEncryptionKey, 'personal-data');
  }

  /** @throws UnavailableError */
  ring(): Promise<KeyRing> {
    if (this.loading !== undefined) return this.loading;
    const loading = this.database.transaction((manager) => this.load(manager));
    this.loading = loading;
    loading.catch(() => (this.loading = undefined));
    return loading;
  }

  /**
   * Their keys by subject and whether it is verified (`DataSubject`), made where there are none. For one transaction at
   * a time: callers hold the lock of the trail.
   */
  async take(
    manager: EntityManager,
    ring: KeyRing,
    subjects: readonly DataSubject[],
  ): Promise<Map<string, SubjectKey>> {
    const wanted = new Map(subjects.map((subject) => [idOf(ring, subject), ring.newKey()]));
    if (wanted.size === 0) return new Map();
    const rows = [...wanted].map(([id, key]) => ({ id, key: key.toString('base64') }));
    const taken = await manager.query<KeyRow[]>(TAKE, [JSON.stringify(rows)]);
    return new Map(
      taken.map(({ id, subjectId, sealedKey }) => [subjectId.toString('base64'), { id, key: ring.openKey(sealedKey) }]),
    );
  }

  private async load(manager: EntityManager): Promise<KeyRing> {
    await manager.query(LOCK);
    const sql = 'SELECT id, sealed FROM audit.subject_secret ORDER BY id DESC';
    const rows = await manager.query<{ id: string; sealed: Buffer }[]>(sql);
    const secrets: Buffer[] = [];
    for (const row of rows) {
      const secret = await this.open(manager, row);
      if (secret !== null) secrets.push(secret);
    }
    if (secrets.length < rows.length) {
      this.logger.error('personal data of earlier events cannot be read: the encryption key is another one');
    }
    return new KeyRing(secrets.length > 0 ? secrets : [await this.make(manager)]);
  }

  private async open(manager: EntityManager, { id, sealed }: { id: string; sealed: Buffer }): Promise<Buffer | null> {
    const secret = tryToOpen(sealed, this.sealingKey);
    if (secret !== null || this.previousKey === null) return secret;
    const before = tryToOpen(sealed, this.previousKey);
    if (before === null) return null;
    // The previous encryption key goes some day; what it sealed must not go with it.
    const resealed = seal(before, this.sealingKey);
    await manager.query('UPDATE audit.subject_secret SET sealed = $2 WHERE id = $1', [id, resealed]);
    return before;
  }

  private async make(manager: EntityManager): Promise<Buffer> {
    const secret = randomBytes(SECRET_BYTES);
    await manager.query('INSERT INTO audit.subject_secret (sealed) VALUES ($1)', [seal(secret, this.sealingKey)]);
    return secret;
  }
}

/** What `take` names the key of a subject by. */
export const idOf = (ring: KeyRing, subject: DataSubject): string => ring.idsOf(subject)[0]?.toString('base64') ?? '';

function tryToOpen(sealed: Buffer, key: Buffer): Buffer | null {
  try {
    return unseal(sealed, key);
  } catch (error) {
    if (error instanceof SealError) return null;
    throw error;
  }
}
