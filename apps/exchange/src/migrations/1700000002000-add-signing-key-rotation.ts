import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddSigningKeyRotation1700000002000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE exchange.signing_key
        ADD COLUMN position bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
        ADD COLUMN requested boolean NOT NULL DEFAULT false,
        ADD COLUMN published_until timestamptz,
        ALTER COLUMN sealed_private_jwk DROP NOT NULL`);
    await runner.query(`
      UPDATE exchange.signing_key
      SET sealed_private_jwk = NULL, retired_at = coalesce(retired_at, now()),
        published_until = coalesce(retired_at, now()) + interval '25 hours'
      WHERE state = 'retired'`);
    await runner.query(`
      ALTER TABLE exchange.signing_key
        ADD CONSTRAINT private_part_until_retired CHECK ((state = 'retired') = (sealed_private_jwk IS NULL)),
        ADD CONSTRAINT retired_with_an_end CHECK ((state = 'retired') = (published_until IS NOT NULL))`);
    await runner.query(`CREATE UNIQUE INDEX one_next_signing_key ON exchange.signing_key (state) WHERE state = 'next'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX exchange.one_next_signing_key`);
    await runner.query(`
      ALTER TABLE exchange.signing_key
        DROP CONSTRAINT private_part_until_retired,
        DROP CONSTRAINT retired_with_an_end,
        DROP COLUMN position, DROP COLUMN requested, DROP COLUMN published_until`);
  }
}
