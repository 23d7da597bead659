import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Of an event with personal data, `event` holds commitments in its place and `sealed` the data, under the key of its
 * subject: `key_id`, which stays when the key is deleted and then leads nowhere. So it is no foreign key.
 */
const SEALED = `
  CREATE TABLE audit.subject_secret (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sealed bytea NOT NULL
  );
  CREATE TABLE audit.subject_key (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject_id bytea NOT NULL UNIQUE CHECK (octet_length(subject_id) = 32),
    sealed_key bytea NOT NULL
  );
  ALTER TABLE audit.event ADD key_id bigint, ADD sealed bytea;
  CREATE INDEX event_by_key ON audit.event (key_id, sequence) WHERE key_id IS NOT NULL`;

export class SealPersonalData1700000004000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SEALED);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE audit.event DROP key_id, DROP sealed');
    await runner.query('DROP TABLE audit.subject_key, audit.subject_secret');
  }
}
