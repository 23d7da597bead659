import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The revision that decided then: an explanation with the documents of now says how old the decision is. */
export class AddRecordedRevision1764400000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE policy.recorded_exchanges ADD COLUMN revision integer');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE policy.recorded_exchanges DROP COLUMN revision');
  }
}
