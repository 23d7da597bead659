-- Run once by a superuser on a new server: deploy/postgres/init.sh in containers, the local stack through pg.
-- The services migrate with countersign_migrator, which makes and owns every schema and grants each service what it
-- needs in its own; they work with a role that can neither change a table nor see another service's schema.
-- Passwords: the psql variables below.

CREATE ROLE countersign_migrator LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT 20 PASSWORD :'migrator_password';
CREATE ROLE countersign_policy LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT 100 PASSWORD :'policy_password';
CREATE ROLE countersign_exchange LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT 100 PASSWORD :'exchange_password';
CREATE ROLE countersign_audit LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT 100 PASSWORD :'audit_password';
CREATE DATABASE countersign ENCODING 'UTF8' TEMPLATE template0;

\connect countersign

REVOKE ALL ON DATABASE countersign FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CONNECT, CREATE ON DATABASE countersign TO countersign_migrator;
GRANT CONNECT ON DATABASE countersign TO countersign_policy, countersign_exchange, countersign_audit;

ALTER ROLE countersign_policy SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE countersign_exchange SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE countersign_audit SET idle_in_transaction_session_timeout = '10s';
