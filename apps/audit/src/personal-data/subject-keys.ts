import { randomBytes } from 'node:crypto';
import { Logger, PurposeSeal, SealError } from '@countersign/platform';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditConfig } from '../config';
import { AuditDatabase } from '../database';
import { KeyRing } from './key-ring';

/** Replicas that start together make one secret. */
const LOCK = `SELECT pg_advisory_xact_lock(hashtext('countersign'), hashtext('audit.subject_secret'))`;
const SECRET_BYTES = 32;

const FIND = `
  SELECT id, subject_id AS "subjectId", sealed_key AS "sealedKey" FROM audit.subject_key
  WHERE subject_id = ANY ($1::bytea[])`;

const ADD = `
  INSERT INTO audit.subject_key (subject_id, sealed_key) SELECT * FROM unnest($1::bytea[], $2::bytea[])
  RETURNING id, subject_id AS "subjectId", sealed_key AS "sealedKey"`;

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
  private readonly seals: PurposeSeal;
  private loading: Promise<KeyRing> | undefined;

  constructor(
    private readonly database: AuditDatabase,
    private readonly logger: Logger,
    config: AuditConfig,
  ) {
    this.seals = new PurposeSeal('personal-data', config);
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
   * Keys of subjects by their ids, made where there are none. For one transaction at a time: callers hold the lock of
   * the trail.
   */
  async take(manager: EntityManager, ring: KeyRing, ids: ReadonlySet<string>): Promise<Map<string, SubjectKey>> {
    if (ids.size === 0) return new Map();
    const found = await manager.query<KeyRow[]>(FIND, [[...ids].map(asBytes)]);
    const known = new Set(found.map(({ subjectId }) => asText(subjectId)));
    const missing = [...ids].filter((id) => !known.has(id));
    const added = missing.length === 0 ? [] : await this.add(manager, ring, missing);
    return new Map(
      [...found, ...added].map(({ id, subjectId, sealedKey }) => [
        asText(subjectId),
        { id, key: ring.openKey(sealedKey) },
      ]),
    );
  }

  private add(manager: EntityManager, ring: KeyRing, ids: string[]): Promise<KeyRow[]> {
    return manager.query<KeyRow[]>(ADD, [ids.map(asBytes), ids.map(() => ring.newKey())]);
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

  /** Null when no encryption key opens it. */
  private async open(manager: EntityManager, { id, sealed }: { id: string; sealed: Buffer }): Promise<Buffer | null> {
    try {
      // The previous encryption key goes some day; what it sealed must not go with it.
      const resealed = this.seals.reseal(sealed);
      if (resealed !== null)
        await manager.query('UPDATE audit.subject_secret SET sealed = $2 WHERE id = $1', [id, resealed]);
      return this.seals.open(sealed);
    } catch (error) {
      if (error instanceof SealError) return null;
      throw error;
    }
  }

  private async make(manager: EntityManager): Promise<Buffer> {
    const secret = randomBytes(SECRET_BYTES);
    await manager.query('INSERT INTO audit.subject_secret (sealed) VALUES ($1)', [this.seals.seal(secret)]);
    return secret;
  }
}

const asBytes = (id: string): Buffer => Buffer.from(id, 'base64');
const asText = (id: Buffer): string => id.toString('base64');
