import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddRevocations1700000003000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE exchange.revocation (
        position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id uuid NOT NULL UNIQUE,
        issuer text,
        role text,
        claims jsonb NOT NULL,
        reason text NOT NULL,
        author text NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL
      )`);
    await runner.query(`
      CREATE TABLE exchange.revoked_token (
        jti text PRIMARY KEY,
        revoked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        expires_at timestamptz NOT NULL
      )`);
    await runner.query('CREATE INDEX revoked_token_revoked_at ON exchange.revoked_token (revoked_at)');
    await runner.query('CREATE INDEX revoked_token_expires_at ON exchange.revoked_token (expires_at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE exchange.revoked_token, exchange.revocation');
  }
}
