import type { MigrationInterface, QueryRunner } from 'typeorm';

const LIMITS = `
  ALTER TABLE audit.webhook_endpoint
    ADD format text NOT NULL DEFAULT 'cloudevents' CHECK (format IN ('cloudevents', 'openfaas')),
    ADD max_per_second int NOT NULL DEFAULT 50 CHECK (max_per_second BETWEEN 1 AND 1000),
    ADD handshake boolean NOT NULL DEFAULT false`;

export class AddDeliveryLimits1700000003000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(LIMITS);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE audit.webhook_endpoint DROP format, DROP max_per_second, DROP handshake');
  }
}
