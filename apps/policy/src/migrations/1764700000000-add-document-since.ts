import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A token is not to get what another document of the same name allows. What is there now counts as there since ever. */
export class AddDocumentSince1764700000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE policy.document ADD COLUMN since integer NOT NULL DEFAULT 0');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE policy.document DROP COLUMN since');
  }
}
