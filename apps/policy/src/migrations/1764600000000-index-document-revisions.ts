import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What changed since a revision is found without a look at all documents. */
export class IndexDocumentRevisions1764600000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE INDEX document_revision ON policy.document (revision)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX policy.document_revision');
  }
}
