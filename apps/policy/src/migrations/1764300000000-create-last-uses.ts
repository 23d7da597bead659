import type { MigrationInterface, QueryRunner } from 'typeorm';

/** `sid` is empty where there is none; a statement's `name` is that of its policy. */
const CREATE_LAST_USE = `
CREATE TABLE policy.last_use (
  kind text NOT NULL CHECK (kind IN ('issuer', 'role', 'statement')),
  name text COLLATE "C" NOT NULL,
  sid text COLLATE "C" NOT NULL,
  used_at timestamptz NOT NULL,
  PRIMARY KEY (kind, name, sid)
)`;

/** One row: nothing is known of uses before it. */
const CREATE_BEGINNING = `
CREATE TABLE policy.last_use_beginning (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  began_at timestamptz NOT NULL
)`;

export class CreateLastUses1764300000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(CREATE_LAST_USE);
    await runner.query(CREATE_BEGINNING);
    await runner.query('INSERT INTO policy.last_use_beginning (began_at) VALUES (now())');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE policy.last_use_beginning');
    await runner.query('DROP TABLE policy.last_use');
  }
}
