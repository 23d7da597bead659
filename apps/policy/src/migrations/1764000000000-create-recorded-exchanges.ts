import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * `family` is what the bounds of the record are counted by. Columns with JSON are read as a whole and never searched,
 * so they are `json`: no numbers and no members change their form on the way.
 */
const CREATE_RECORDED_EXCHANGES = `
CREATE TABLE policy.recorded_exchanges (
  event_id text COLLATE "C" PRIMARY KEY,
  trace_id text NOT NULL,
  time timestamptz NOT NULL,
  family text NOT NULL CHECK (family IN ('granted', 'refused', 'unverified')),
  outcome text NOT NULL CHECK (outcome IN ('granted', 'denied', 'voided')),
  class text,
  reason text,
  detail text,
  issuer text,
  subject text,
  claims json,
  unverified json,
  audience text[] NOT NULL,
  resource text[] NOT NULL,
  scope text,
  narrowed_to json NOT NULL,
  source_ip text,
  roles text[] NOT NULL,
  policies text[] NOT NULL,
  statements json NOT NULL,
  decidable boolean NOT NULL
)`;

/** An index entry has a bound of 2,704 bytes; a subject may be longer. */
const INDEXES = [
  'CREATE INDEX recorded_exchanges_decidable ON policy.recorded_exchanges (time, event_id) WHERE decidable',
  'CREATE INDEX recorded_exchanges_by_family ON policy.recorded_exchanges (family, time)',
  'CREATE INDEX recorded_exchanges_undecidable ON policy.recorded_exchanges (time) WHERE NOT decidable',
  'CREATE INDEX recorded_exchanges_by_trace ON policy.recorded_exchanges (trace_id)',
  'CREATE INDEX recorded_exchanges_by_subject ON policy.recorded_exchanges (issuer, left(subject, 512))',
];

export class CreateRecordedExchanges1764000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(CREATE_RECORDED_EXCHANGES);
    for (const index of INDEXES) await runner.query(index);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE policy.recorded_exchanges');
  }
}
