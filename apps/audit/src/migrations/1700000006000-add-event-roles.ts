import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * An index over an array has no order: a page of a role that was used long ago would read the trail down to there. The
 * table is filled by a trigger, as no event may be in the one and not in the other.
 */
const ROLES = `
  CREATE TABLE audit.event_role (
    role text NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (role, sequence)
  );
  INSERT INTO audit.event_role
    SELECT DISTINCT role, sequence FROM audit.event, unnest(roles) AS role;
  CREATE FUNCTION audit.add_roles() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO audit.event_role SELECT DISTINCT role, sequence FROM added, unnest(roles) AS role;
    RETURN NULL;
  END $$;
  CREATE TRIGGER add_roles AFTER INSERT ON audit.event REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION audit.add_roles();
  CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.event_role
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
  ALTER TABLE audit.event_role ENABLE ALWAYS TRIGGER append_only;
  DROP INDEX audit.event_by_roles`;

export class AddEventRoles1700000006000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(ROLES);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE INDEX event_by_roles ON audit.event USING gin (roles)');
    await runner.query('DROP TRIGGER add_roles ON audit.event');
    await runner.query('DROP FUNCTION audit.add_roles');
    await runner.query('DROP TABLE audit.event_role');
  }
}
