import type { MigrationInterface, QueryRunner } from 'typeorm';

const TRAIL = `
  CREATE TABLE audit.event (
    sequence bigint PRIMARY KEY,
    event_id text NOT NULL UNIQUE,
    type text NOT NULL,
    time timestamptz NOT NULL,
    issuer text,
    subject text,
    outcome text,
    class text,
    reason text,
    roles text[] NOT NULL,
    trace_id text,
    stream text NOT NULL,
    stream_sequence bigint NOT NULL,
    event jsonb NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE INDEX event_by_type ON audit.event (type, sequence);
  CREATE INDEX event_by_issuer ON audit.event (issuer, sequence) WHERE issuer IS NOT NULL;
  CREATE INDEX event_by_subject ON audit.event (subject, sequence) WHERE subject IS NOT NULL;
  CREATE INDEX event_by_outcome ON audit.event (outcome, sequence) WHERE outcome IS NOT NULL;
  CREATE INDEX event_by_trace ON audit.event (trace_id) WHERE trace_id IS NOT NULL;
  CREATE INDEX event_by_time ON audit.event (time);
  CREATE INDEX event_by_roles ON audit.event USING gin (roles)`;

/** Holds for the owner too, and where triggers are switched off for replication. */
const APPEND_ONLY = `
  CREATE FUNCTION audit.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    RAISE EXCEPTION 'audit.event is append-only' USING ERRCODE = 'insufficient_privilege';
  END $$;
  CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.event
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
  ALTER TABLE audit.event ENABLE ALWAYS TRIGGER append_only`;

/** `next_attempt_at` is null when nothing more is to come, and the end of the lease while an attempt is under way. */
const WEBHOOKS = `
  CREATE TABLE audit.webhook_endpoint (
    id uuid PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    url text NOT NULL,
    sealed_secret bytea NOT NULL,
    types text[] NOT NULL,
    issuers text[] NOT NULL,
    roles text[] NOT NULL,
    outcomes text[] NOT NULL,
    disabled_reason text,
    failing_since timestamptz,
    created_at timestamptz NOT NULL
  );
  CREATE TABLE audit.delivery (
    id uuid PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    webhook_id uuid NOT NULL REFERENCES audit.webhook_endpoint ON DELETE CASCADE,
    event_id text NOT NULL REFERENCES audit.event (event_id),
    event_type text NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'retrying', 'delivered', 'dead')),
    attempts jsonb NOT NULL DEFAULT '[]',
    next_attempt_at timestamptz,
    created_at timestamptz NOT NULL,
    UNIQUE (webhook_id, event_id)
  );
  CREATE INDEX delivery_due ON audit.delivery (webhook_id, next_attempt_at, position)
    WHERE next_attempt_at IS NOT NULL;
  CREATE INDEX delivery_of_endpoint ON audit.delivery (webhook_id, position)`;

export class CreateAuditSchema1700000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TRAIL);
    await runner.query(APPEND_ONLY);
    await runner.query(WEBHOOKS);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE audit.delivery, audit.webhook_endpoint, audit.event');
    await runner.query('DROP FUNCTION audit.refuse_change');
  }
}
