/// <reference types="jest" />
import { runSql, startLocalIssuer, type LocalIssuer, type Stack } from '@countersign/testing';
import { apply, eventsOf, exchange } from '../support/client';
import { githubClaims, jwtIssuer } from '../support/documents';

type Role = Parameters<Stack['databaseUrl']>[0];

/** Cases for a stack that nobody stops; `given` is it, once it runs. */
export function postgresRoleCases(given: () => Stack): void {
  describe('the PostgreSQL roles of the services', () => {
    let stack: Stack;
    let issuer: LocalIssuer;

    beforeAll(async () => {
      stack = given();
      issuer = await startLocalIssuer();
      await apply(stack, [jwtIssuer('github', issuer.iss)]);
      const { body } = await exchange(stack, await issuer.sign(githubClaims(issuer.iss)));
      await eventsOf(stack, body.trace_id);
    });

    afterAll(() => issuer?.stop());

    it.each<[Role, string]>([
      ['audit', 'UPDATE audit.event SET outcome = NULL'],
      ['audit', 'DELETE FROM audit.event'],
      ['audit', 'TRUNCATE audit.event'],
      ['audit', 'ALTER TABLE audit.event DISABLE TRIGGER ALL'],
      ['audit', 'DELETE FROM audit.event_1'],
      ['audit', 'DROP TABLE audit.event_1'],
      ['audit', "UPDATE audit.event_partition SET begun_at = '2000-01-01'"],
      ['policy', 'SELECT audit.drop_partition(1)'],
      ['audit', 'UPDATE audit.subject_key SET sealed_key = NULL'],
      ['policy', 'SELECT * FROM audit.subject_key'],
      ['policy', 'DELETE FROM policy.revision'],
      ['policy', 'UPDATE policy.revision SET author = NULL'],
      ['policy', 'UPDATE policy.recorded_exchanges SET outcome = NULL'],
      ['policy', 'UPDATE policy.repository_pin SET repository_id = NULL'],
      ['exchange', 'DELETE FROM exchange.replay_epoch'],
      ['policy', 'SELECT * FROM exchange.signing_key'],
      ['policy', 'SELECT * FROM audit.event'],
      ['exchange', 'SELECT * FROM policy.document'],
      ['audit', 'SELECT * FROM exchange.signing_key'],
      ['policy', 'DROP TABLE policy.document'],
      ['policy', 'ALTER TABLE policy.document ADD COLUMN x int'],
      ['policy', 'CREATE TABLE policy.other (id int)'],
      ['policy', 'CREATE TABLE public.other (id int)'],
      ['policy', 'CREATE SCHEMA other'],
      ['policy', 'SET ROLE countersign_migrator'],
      ['audit', "COPY audit.event FROM PROGRAM 'id'"],
      ['audit', "SELECT pg_read_file('/etc/passwd')"],
      ['migrator', 'CREATE ROLE other'],
      ['migrator', 'CREATE DATABASE other'],
      ['migrator', "COPY audit.event FROM PROGRAM 'id'"],
    ])('%s may not: %s', async (role, statement) => {
      await expect(runSql(stack.databaseUrl(role), statement)).rejects.toThrow(
        /permission denied|must be (owner|superuser)/,
      );
    });

    it.each(['UPDATE audit.event SET outcome = NULL', 'DELETE FROM audit.event', 'TRUNCATE audit.event CASCADE'])(
      'not even the owner of the tables gets past the trail being append-only: %s',
      async (statement) => {
        await expect(runSql(stack.databaseUrl('migrator'), statement)).rejects.toThrow(/append-only/);
      },
    );
  });
}
