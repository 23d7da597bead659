import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateExchangeSchema1700000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE exchange.signing_key (
        kid text PRIMARY KEY,
        alg text NOT NULL CHECK (alg IN ('ES256', 'RS256', 'EdDSA')),
        state text NOT NULL CHECK (state IN ('next', 'active', 'retired')),
        public_jwk jsonb NOT NULL,
        sealed_private_jwk bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        activated_at timestamptz,
        retired_at timestamptz
      )`);
    await runner.query(
      `CREATE UNIQUE INDEX one_active_signing_key ON exchange.signing_key (state) WHERE state = 'active'`,
    );
    await runner.query(`
      CREATE TABLE exchange.replay_epoch (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id uuid NOT NULL UNIQUE,
        min_issued_at bigint NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE exchange.replay_epoch, exchange.signing_key');
  }
}
