import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Events of a span of time are paged through in the order of time; the place of each has to be in the index. */
export class AddTimeIndex1700000005000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE INDEX event_by_time_and_sequence ON audit.event (time, sequence)');
    await runner.query('DROP INDEX audit.event_by_time');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE INDEX event_by_time ON audit.event (time)');
    await runner.query('DROP INDEX audit.event_by_time_and_sequence');
  }
}
