import type { MigrationInterface, QueryRunner } from 'typeorm';
import { beginPartition } from './1700000007000-partition-trail';

/** Null for what was stored before, and by a replica of before during an update: the log makes it from the event. */
const ADD_LEAVES = 'ALTER TABLE audit.event ADD leaf bytea';

/** Of the newest partition: nothing is written into the others. */
const inNewest = (block: string): string => `
  DO $$
  DECLARE
    newest text := format('audit.event_%s', (SELECT max(number) FROM audit.event_partition));
  BEGIN
    ${block}
  END $$`;

/**
 * Unless told otherwise, PostgreSQL tries to compress a row above 2 KB, ciphertext too, and then moves a part of it into
 * another table. Now three rows of a usual size fill a page: what does not fit is compressed in the cheaper way, where
 * the server was built with it, and stays whole where it was not.
 */
const STORE_IN_PLACE = `
    EXECUTE format('ALTER TABLE %s ALTER sealed SET STORAGE EXTERNAL, SET (toast_tuple_target = 8160)', newest);
    BEGIN
      EXECUTE format('ALTER TABLE %s ALTER event SET COMPRESSION lz4, SET (toast_tuple_target = 2704)', newest);
    EXCEPTION WHEN feature_not_supported THEN NULL;
    END;`;

const STORE_AS_BEFORE = `
    EXECUTE format('ALTER TABLE %s ALTER sealed SET STORAGE EXTENDED, ALTER event SET COMPRESSION default,
      RESET (toast_tuple_target)', newest);`;

const COPIED = 'INCLUDING STORAGE INCLUDING COMPRESSION';
const STORAGE = `(
          SELECT coalesce(' WITH (' || array_to_string(reloptions, ', ') || ')', '') FROM pg_class
          WHERE oid = format('audit.%s_%s', name, newest.number)::regclass)`;

/** The hash of each event in the log is stored with it. */
export class AddLeaves1700000009000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const part of [ADD_LEAVES, inNewest(STORE_IN_PLACE), beginPartition(COPIED, STORAGE)])
      await runner.query(part);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const part of [beginPartition(), inNewest(STORE_AS_BEFORE)]) await runner.query(part);
    await runner.query('ALTER TABLE audit.event DROP leaf');
  }
}
