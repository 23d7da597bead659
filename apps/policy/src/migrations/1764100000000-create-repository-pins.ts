import type { MigrationInterface, QueryRunner } from 'typeorm';

/** `key` stands for `iss` and `path`, which together may be longer than an index entry. */
const CREATE_REPOSITORY_PIN = `
CREATE TABLE policy.repository_pin (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
  key text COLLATE "C" NOT NULL UNIQUE,
  iss text NOT NULL,
  path text NOT NULL,
  repository_id text NOT NULL,
  owner_id text NOT NULL,
  subject text NOT NULL,
  trace_id text NOT NULL,
  pinned_at timestamptz NOT NULL DEFAULT now()
)`;

export class CreateRepositoryPins1764100000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(CREATE_REPOSITORY_PIN);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE policy.repository_pin');
  }
}
