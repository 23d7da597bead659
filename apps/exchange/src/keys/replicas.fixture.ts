import { randomBytes } from 'node:crypto';
import type { CloudEvent } from '@countersign/contracts';
import { InProcessBus, SqlAuditStream } from '@countersign/messaging';
import { Clock, Logger, newTrace, Readiness } from '@countersign/platform';
import { createTestDatabase, fakeClock, runSql } from '@countersign/testing';
import type { AccessTokenClaims } from '@countersign/tokens';
import { ExchangeConfig } from '../config';
import { ExchangeDatabase } from '../database';
import { KeyRotation } from './key-rotation';
import type { Occasion } from './plan-rotation';
import { PrivatePartSeal } from './private-part-seal';
import { RotateOnDemand } from './rotate-on-demand';
import { SigningKeyList } from './signing-key-list';
import { SigningKeyStore } from './signing-key-store';
import { SigningKeys } from './signing-keys';

export const newEncryptionKey = (): string => randomBytes(32).toString('base64');

export interface ReplicaOptions {
  encryptionKey?: string;
  previousEncryptionKey?: string;
  signingAlg?: string;
}

/** The keys of one replica: everything but HTTP. */
export interface Replica {
  keys: SigningKeys;
  list: SigningKeyList;
  database: ExchangeDatabase;
  clock: ReturnType<typeof fakeClock>;
  log: string[];
  isReady(): Promise<boolean>;
  rotate(occasion: Occasion): ReturnType<RotateOnDemand['rotate']>;
  kids(): string[];
  /** `kid` of a token signed now. */
  signsWith(): Promise<string>;
}

/** Replicas that share a database and a bus; `warp` moves the stored times instead of waiting. */
export class Replicas {
  readonly encryptionKey = newEncryptionKey();
  readonly bus = new InProcessBus(new Logger('test', 'silent'));
  private readonly started: Replica[] = [];

  private constructor(private readonly place: { url: string; drop(): Promise<void> }) {}

  static async on(server: { url: string }): Promise<Replicas> {
    return new Replicas(await createTestDatabase(server));
  }

  /** Not started: `refresh()` is one turn of its loop. */
  async build(options: ReplicaOptions = {}): Promise<Replica> {
    const log: string[] = [];
    const logger = new Logger('exchange', 'info', (line) => void log.push(line));
    const database = new ExchangeDatabase({ url: this.place.url, logger });
    const query = <Row>(sql: string, parameters: unknown[]): Promise<Row[]> => database.query<Row>(sql, parameters);
    const stream = new SqlAuditStream({ query, logger });
    await database.whenReady();
    const config = this.config(options);
    const clock = fakeClock();
    const store = new SigningKeyStore(database, new PrivatePartSeal(config));
    const readiness = new Readiness();
    const wall = Object.assign(new Clock(), { now: clock.milliseconds });
    const keys = new SigningKeys(wall, store, new KeyRotation(config, store, stream), this.bus, logger, readiness);
    const onDemand = new RotateOnDemand(keys, store);
    const replica: Replica = {
      keys,
      database,
      clock,
      log,
      list: new SigningKeyList(database),
      isReady: async () => (await readiness.report()).ready,
      rotate: (occasion) => onDemand.rotate({ occasion, author: 'bootstrap', trace: newTrace() }),
      kids: () => keys.verificationKeys().map(({ kid }) => String(kid)),
      signsWith: async () => kidOf(keys.sign({ jti: 'x' } as AccessTokenClaims)),
    };
    this.started.push(replica);
    return replica;
  }

  async start(options: ReplicaOptions = {}): Promise<Replica> {
    const replica = await this.build(options);
    await replica.keys.refresh();
    return replica;
  }

  /** As if this many seconds had passed for everything that is stored. */
  warp(seconds: number): Promise<void> {
    const moved = ['created_at', 'activated_at', 'retired_at', 'published_until'];
    const changes = moved.map((column) => `${column} = ${column} - interval '${seconds} seconds'`);
    return runSql(this.place.url, `UPDATE exchange.signing_key SET ${changes.join(', ')}`);
  }

  async rows<Row>(sql: string): Promise<Row[]> {
    return (this.started[0] as Replica).database.query<Row>(sql);
  }

  async events(): Promise<CloudEvent[]> {
    const rows = await this.rows<{ event: string }>('SELECT event FROM embedded.stream_event ORDER BY sequence');
    return rows.map(({ event }) => JSON.parse(event) as CloudEvent);
  }

  async stop(): Promise<void> {
    await this.bus.close();
    for (const { keys, database } of this.started) {
      await keys.settled();
      await database.close();
    }
    await this.place.drop();
  }

  config({ encryptionKey = this.encryptionKey, previousEncryptionKey, signingAlg = 'ES256' }: ReplicaOptions) {
    return new ExchangeConfig({
      COUNTERSIGN_PUBLIC_URL: 'https://sts.example',
      COUNTERSIGN_ENCRYPTION_KEY: encryptionKey,
      COUNTERSIGN_PREVIOUS_ENCRYPTION_KEY: previousEncryptionKey,
      COUNTERSIGN_SIGNING_ALG: signingAlg,
    });
  }
}

function kidOf(token: string): string {
  const header: unknown = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString());
  return (header as { kid: string }).kid;
}
