import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddReplayLives1700000001000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE exchange.replay_life (
        epoch uuid NOT NULL REFERENCES exchange.replay_epoch (id),
        life text NOT NULL,
        seen_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (epoch, life)
      )`);
    await runner.query(`
      CREATE TABLE exchange.replay_early_use (
        epoch uuid NOT NULL REFERENCES exchange.replay_epoch (id),
        iss text NOT NULL,
        iat bigint NOT NULL,
        PRIMARY KEY (epoch, iss)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE exchange.replay_early_use, exchange.replay_life');
  }
}
