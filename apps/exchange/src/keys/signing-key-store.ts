import type { GeneratedSigningKey, Jwk, SigningAlgorithm, SigningKey } from '@countersign/tokens';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ExchangeDatabase } from '../database';
import type { PlannedKey } from './plan-rotation';
import { PrivatePartSeal } from './private-part-seal';

/** A signing key as stored; `sealed` is null from the moment it is retired. */
export interface StoredKey extends PlannedKey {
  alg: SigningAlgorithm;
  publicJwk: Jwk;
  sealed: Buffer | null;
}

/** The keys that matter, the active one first, and the database's clock (epoch milliseconds). */
export interface StoredKeys {
  keys: StoredKey[];
  now: number;
}

interface Row {
  now: string;
  kid: string | null;
  alg: SigningAlgorithm;
  state: StoredKey['state'];
  publicJwk: Jwk;
  sealed: Buffer | null;
  requested: boolean;
  createdAt: Date;
  activatedAt: Date | null;
  publishedUntil: Date | null;
}

const LOCK = 7_265_107;

/** Replicas may differ by seconds; the database has one clock. A row comes back even when there are no keys. */
const READ = `
  SELECT clock.now, kid, alg, state, public_jwk AS "publicJwk", sealed_private_jwk AS sealed, requested,
    created_at AS "createdAt", activated_at AS "activatedAt", published_until AS "publishedUntil"
  FROM (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now) AS clock
  LEFT JOIN exchange.signing_key ON state <> 'retired' OR published_until > to_timestamp(clock.now / 1000.0)
  ORDER BY array_position(ARRAY['active', 'next', 'retired'], state), position DESC`;

const asStored = (rows: Row[]): StoredKeys => ({
  now: Number(rows[0]?.now),
  keys: rows.flatMap(({ now: _, kid, createdAt, activatedAt, publishedUntil, ...row }) =>
    kid === null
      ? []
      : [
          {
            ...row,
            kid,
            createdAt: createdAt.getTime(),
            activatedAt: activatedAt && activatedAt.getTime(),
            publishedUntil: publishedUntil && publishedUntil.getTime(),
          },
        ],
  ),
});

/** Our signing keys in PostgreSQL. Methods with a manager are steps of its transaction. */
@Injectable()
export class SigningKeyStore {
  constructor(
    private readonly database: ExchangeDatabase,
    private readonly seal: PrivatePartSeal,
  ) {}

  whenReady(): Promise<void> {
    return this.database.whenReady();
  }

  async read(): Promise<StoredKeys> {
    return asStored(await this.database.query<Row>(READ));
  }

  /** One replica at a time; the others wait, and see what it did. */
  locked<T>(work: (manager: EntityManager, stored: StoredKeys) => Promise<T>): Promise<T> {
    return this.database.transaction(async (manager) => {
      await manager.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
      return work(manager, asStored(await manager.query<Row[]>(READ)));
    });
  }

  async insert(
    manager: EntityManager,
    { kid, alg, publicJwk, privateJwk }: GeneratedSigningKey,
    rest: { state: 'active' | 'next'; requested: boolean; now: number },
  ): Promise<void> {
    const at = new Date(rest.now);
    const activatedAt = rest.state === 'active' ? at : null;
    await manager.query(
      `INSERT INTO exchange.signing_key
         (kid, alg, state, public_jwk, sealed_private_jwk, requested, created_at, activated_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [kid, alg, rest.state, publicJwk, this.seal.seal(privateJwk), rest.requested, at, activatedAt],
    );
  }

  /** From here on nobody can sign with it who does not hold it in memory already. */
  async retire(manager: EntityManager, kid: string, at: { now: number; publishedUntil: number }): Promise<void> {
    await manager.query(
      `UPDATE exchange.signing_key
       SET state = 'retired', sealed_private_jwk = NULL, retired_at = coalesce(retired_at, $2), published_until = $3
       WHERE kid = $1`,
      [kid, new Date(at.now), new Date(at.publishedUntil)],
    );
  }

  async activate(manager: EntityManager, kid: string, now: number): Promise<void> {
    const sql = `UPDATE exchange.signing_key SET state = 'active', activated_at = $2 WHERE kid = $1`;
    await manager.query(sql, [kid, new Date(now)]);
  }

  async request(manager: EntityManager, kid: string): Promise<void> {
    await manager.query('UPDATE exchange.signing_key SET requested = true WHERE kid = $1', [kid]);
  }

  /**
   * A key to sign with. What an earlier encryption key had sealed is sealed anew under the current one.
   * @throws SealError when no encryption key opens it; UnavailableError
   */
  async open({ kid, alg, sealed }: StoredKey): Promise<SigningKey> {
    const { privateJwk, resealed } = this.seal.open(kid, sealed ?? Buffer.alloc(0));
    if (resealed !== null) await this.reseal(kid, { from: sealed, to: resealed });
    return { kid, alg, privateJwk };
  }

  /** @throws SealError when there is a key that our encryption keys do not open */
  assertReadable({ keys }: StoredKeys): void {
    for (const { kid, sealed } of keys) if (sealed !== null) this.seal.open(kid, sealed);
  }

  /** Nothing happens when the key was retired, or sealed anew by another replica, in the meantime. */
  private async reseal(kid: string, { from, to }: { from: Buffer | null; to: Buffer }): Promise<void> {
    await this.database.query(
      'UPDATE exchange.signing_key SET sealed_private_jwk = $3 WHERE kid = $1 AND sealed_private_jwk = $2',
      [kid, from, to],
    );
  }
}
