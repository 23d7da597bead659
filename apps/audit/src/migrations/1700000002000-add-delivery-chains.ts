import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * `deliveries` counts what an endpoint was to get, `chain_head` stands for all of it; a delivery keeps its own of both.
 * Deliveries from before have none.
 */
const CHAINS = `
  ALTER TABLE audit.webhook_endpoint
    ADD deliveries bigint NOT NULL DEFAULT 0,
    ADD chain_head bytea CHECK (octet_length(chain_head) = 32),
    ADD previous_sealed_secret bytea,
    ADD previous_secret_expires_at timestamptz;
  ALTER TABLE audit.delivery
    ADD endpoint_sequence bigint,
    ADD chain_head bytea CHECK (octet_length(chain_head) = 32);
  CREATE UNIQUE INDEX delivery_by_endpoint_sequence ON audit.delivery (webhook_id, endpoint_sequence)`;

export class AddDeliveryChains1700000002000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(CHAINS);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE audit.delivery DROP endpoint_sequence, DROP chain_head');
    await runner.query(`ALTER TABLE audit.webhook_endpoint DROP deliveries, DROP chain_head,
      DROP previous_sealed_secret, DROP previous_secret_expires_at`);
  }
}
