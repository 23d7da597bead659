import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Names sort by code point, so that a page's cursor means the same under every locale. */
const CREATE_DOCUMENT = `
CREATE TABLE policy.document (
  kind text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  api_version text NOT NULL,
  owner text NOT NULL CHECK (owner IN ('api', 'directory')),
  raw json NOT NULL,
  etag text NOT NULL,
  revision integer NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (kind, name)
)`;

/** A number that was drawn is never drawn again, so an event names one revision even if its commit failed. */
const CREATE_REVISION = `
CREATE TABLE policy.revision (
  number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  created_at timestamptz NOT NULL DEFAULT now(),
  author text NOT NULL,
  source text NOT NULL CHECK (source IN ('api', 'directory')),
  restored_from integer,
  summary json NOT NULL,
  changes json NOT NULL
)`;

export class CreateDocuments1763640000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(CREATE_DOCUMENT);
    await runner.query(CREATE_REVISION);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE policy.revision');
    await runner.query('DROP TABLE policy.document');
  }
}
