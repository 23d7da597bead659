import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Which numbers of a stream have come into the trail (`seen`), and which never did and were reported (`missing`). At
 * `settled_at`, none up to `settled` was still to come. A trail that is there already is taken for whole.
 */
const PROGRESS = `
  CREATE TABLE audit.stream_progress (
    stream text PRIMARY KEY,
    created_at timestamptz,
    seen int8multirange NOT NULL DEFAULT '{}',
    missing int8multirange NOT NULL DEFAULT '{}',
    settled bigint,
    settled_at timestamptz
  );
  INSERT INTO audit.stream_progress (stream, seen)
    SELECT stream, int8multirange(int8range(1, max(stream_sequence), '[]')) FROM audit.event GROUP BY stream`;

export class AddStreamProgress1700000008000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(PROGRESS);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE audit.stream_progress');
  }
}
