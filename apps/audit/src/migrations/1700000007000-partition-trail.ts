import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * By number and not by range of sequences: the bounds of a partition cannot be changed without reading it, and where the
 * newest one ends is known when it ends. `begun_at` is the database's time, and only the functions below write it: what
 * a partition holds was recorded before the next one began.
 */
const PARTITIONS = `
  CREATE TABLE audit.event_partition (
    number int PRIMARY KEY,
    first_sequence bigint NOT NULL UNIQUE,
    begun_at timestamptz NOT NULL
  );
  INSERT INTO audit.event_partition
    SELECT 1, 1, coalesce((SELECT recorded_at FROM audit.event ORDER BY sequence LIMIT 1), now())`;

/** The table that is there becomes the first partition as it is; its constraint says what the scan would find. */
const SPLIT_EVENTS = `
  ALTER TABLE audit.delivery DROP CONSTRAINT delivery_event_id_fkey;
  DROP TRIGGER add_roles ON audit.event;
  ALTER TABLE audit.event RENAME TO event_1;
  ALTER TABLE audit.event_1 ADD part int NOT NULL DEFAULT 1 CONSTRAINT event_1_part CHECK (part = 1);
  CREATE TABLE audit.event (LIKE audit.event_1 INCLUDING DEFAULTS) PARTITION BY LIST (part);
  ALTER TABLE audit.event ATTACH PARTITION audit.event_1 FOR VALUES IN (1);
  CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.event
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
  ALTER TABLE audit.event ENABLE ALWAYS TRIGGER append_only`;

const SPLIT_ROLES = `
  ALTER TABLE audit.event_role RENAME TO event_role_1;
  ALTER TABLE audit.event_role_1 ADD part int NOT NULL DEFAULT 1 CONSTRAINT event_role_1_part CHECK (part = 1);
  CREATE TABLE audit.event_role (LIKE audit.event_role_1 INCLUDING DEFAULTS) PARTITION BY LIST (part);
  ALTER TABLE audit.event_role ATTACH PARTITION audit.event_role_1 FOR VALUES IN (1);
  CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.event_role
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
  ALTER TABLE audit.event_role ENABLE ALWAYS TRIGGER append_only;
  CREATE OR REPLACE FUNCTION audit.add_roles() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO audit.event_role (role, sequence, part)
      SELECT DISTINCT role, sequence, part FROM added, unnest(roles) AS role;
    RETURN NULL;
  END $$;
  CREATE TRIGGER add_roles AFTER INSERT ON audit.event REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION audit.add_roles()`;

/** A foreign key would need an index over all partitions. */
const DELIVERIES = `
  ALTER TABLE audit.delivery ADD event_sequence bigint;
  UPDATE audit.delivery d SET event_sequence = e.sequence FROM audit.event e WHERE e.event_id = d.event_id;
  ALTER TABLE audit.delivery ALTER event_sequence SET NOT NULL;
  CREATE INDEX delivery_by_event ON audit.delivery (event_sequence)`;

/** Of removed entries whose tile was not full; `index` is that of the entry in the log. */
const LEAVES = `
  CREATE TABLE audit.leaf (
    index bigint PRIMARY KEY CHECK (index >= 0),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32)
  );
  CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.leaf
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
  ALTER TABLE audit.leaf ENABLE ALWAYS TRIGGER append_only`;

/** Row triggers, as those of statements do not run for rows that come through the partitioned table. */
const CLOSED = `
  CREATE FUNCTION audit.refuse_insert() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    RAISE EXCEPTION 'audit.% is closed', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
  END $$`;

/**
 * Run as the owner of the tables, for a service that may neither make nor drop one. They believe nobody: not how old a
 * partition is, nor that its removal was recorded. `copied` is what a new partition takes over from the one before it
 * beside defaults and indexes, `storage` an SQL expression for its WITH clause.
 */
export const beginPartition = (copied = '', storage = `''`): string => `
  CREATE OR REPLACE FUNCTION audit.begin_partition(least_days int) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp SET lock_timeout = '300ms' AS $$
  DECLARE
    latest timestamptz := clock_timestamp() - make_interval(days => greatest(least_days, 1));
    newest audit.event_partition;
    next int;
    last bigint;
    name text;
  BEGIN
    IF EXISTS (SELECT FROM audit.event_partition WHERE begun_at > latest) THEN
      RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('countersign'), hashtext('audit.event'));
    SELECT * INTO newest FROM audit.event_partition ORDER BY number DESC LIMIT 1;
    IF newest.begun_at > latest THEN
      RETURN false;
    END IF;
    SELECT max(sequence) INTO last FROM audit.event;
    IF last IS NULL OR last < newest.first_sequence THEN
      RETURN false;
    END IF;
    next := newest.number + 1;
    FOREACH name IN ARRAY ARRAY['event', 'event_role'] LOOP
      EXECUTE format('CREATE TABLE audit.%1$s_%2$s (LIKE audit.%1$s_%3$s INCLUDING DEFAULTS INCLUDING INDEXES ${copied},
        CONSTRAINT %1$s_%2$s_part CHECK (part = %2$s), CHECK (sequence > %4$s))%5$s',
        name, next, newest.number, last, ${storage});
      EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.%s_%s
        FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()', name, next);
      EXECUTE format('ALTER TABLE audit.%s_%s ENABLE ALWAYS TRIGGER append_only', name, next);
      EXECUTE format('ALTER TABLE audit.%1$s ATTACH PARTITION audit.%1$s_%2$s FOR VALUES IN (%2$s)', name, next);
      EXECUTE format('CREATE TRIGGER closed BEFORE INSERT ON audit.%s_%s
        FOR EACH ROW EXECUTE FUNCTION audit.refuse_insert()', name, newest.number);
      EXECUTE format('ALTER TABLE audit.%s_%s ENABLE ALWAYS TRIGGER closed', name, newest.number);
    END LOOP;
    EXECUTE format('ALTER TABLE audit.event ALTER part SET DEFAULT %s', next);
    INSERT INTO audit.event_partition VALUES (next, last + 1, clock_timestamp());
    RETURN true;
  END $$;
  REVOKE ALL ON FUNCTION audit.begin_partition FROM PUBLIC`;

/** Whether the trail itself says, under a checkpoint, that its events up to here go. */
const RECORDED = `
  CREATE FUNCTION audit.is_removal_recorded(up_to bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
      SELECT FROM audit.event e
      WHERE e.type = 'dev.countersign.audit.expired.v1' AND e.sequence > up_to
        AND e.sequence <= (SELECT max(size) FROM audit.checkpoint)
        AND (e.event #>> '{data,lastSequence}')::bigint >= up_to)
  $$`;

const DROP_PARTITION = `
  CREATE FUNCTION audit.drop_partition(least_days int) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp SET lock_timeout = '300ms' AS $$
  DECLARE
    oldest audit.event_partition;
    following audit.event_partition;
    last bigint;
    in_tiles bigint;
  BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('countersign'), hashtext('audit.event'));
    SELECT * INTO oldest FROM audit.event_partition ORDER BY number LIMIT 1;
    SELECT * INTO following FROM audit.event_partition ORDER BY number LIMIT 1 OFFSET 1;
    IF following.number IS NULL
      OR following.begun_at > clock_timestamp() - make_interval(days => greatest(least_days, 1)) THEN
      RAISE EXCEPTION 'no partition of the trail is that old' USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- Whoever queues deliveries of old events has read them in the same transaction, and is waited for here.
    LOCK TABLE audit.event, audit.event_role IN ACCESS EXCLUSIVE MODE;
    last := following.first_sequence - 1;
    IF EXISTS (SELECT FROM audit.delivery WHERE event_sequence <= last) THEN
      RAISE EXCEPTION 'there are deliveries of these events' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NOT audit.is_removal_recorded(last) THEN
      RAISE EXCEPTION 'the trail does not say that these events go' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT coalesce(max(index) + 1, 0) * 256 INTO in_tiles FROM audit.tile WHERE level = 0;
    IF last - in_tiles > (SELECT count(*) FROM audit.leaf WHERE index >= in_tiles AND index < last) THEN
      RAISE EXCEPTION 'the log lacks hashes of these events' USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format('DROP TABLE audit.event_%1$s, audit.event_role_%1$s', oldest.number);
    DELETE FROM audit.event_partition WHERE number = oldest.number;
    RETURN following.first_sequence - oldest.first_sequence;
  END $$;
  REVOKE ALL ON FUNCTION audit.drop_partition FROM PUBLIC`;

/** The trail in partitions, so that retention drops the oldest: no event is ever deleted by itself. */
export class PartitionTrail1700000007000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const part of [PARTITIONS, SPLIT_EVENTS, SPLIT_ROLES, DELIVERIES, LEAVES, CLOSED]) await runner.query(part);
    for (const part of [beginPartition(), RECORDED, DROP_PARTITION]) await runner.query(part);
  }

  /** There is no way back from more than one partition but a dump. */
  async down(): Promise<void> {
    throw new Error('the trail cannot be put together again');
  }
}
