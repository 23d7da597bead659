import { AuditStream, Bus, NatsAuditStream, NatsBus, connectNats } from '@countersign/messaging';
import { AdminAccess, Logger, ServiceConfig, configOf, runService, startService } from '@countersign/platform';
import { PolicyConfig } from './config';
import { PolicyAdminAccess } from './decisions/policy-admin-access';
import { PolicyDatabase } from './policy-database';
import { PolicyModule } from './policy.module';

class ConnectionConfig extends configOf('natsUrl', 'databaseUrl', 'migrationDatabaseUrl') {}

runService(async () => {
  const config = new ServiceConfig(process.env);
  const connections = new ConnectionConfig(process.env);
  const logger = new Logger('policy', config.logLevel);
  const { databaseUrl: url, migrationDatabaseUrl: migrationUrl } = connections;
  const nats = connectNats({ url: connections.natsUrl, service: 'policy', logger });
  const bus = new NatsBus(nats, logger);
  const access = new PolicyAdminAccess(bus);
  return startService({
    name: 'policy',
    config,
    logger,
    modules: [PolicyModule],
    provide: [
      [PolicyConfig, new PolicyConfig(process.env)],
      [PolicyDatabase, new PolicyDatabase({ url, migrationUrl, logger })],
      [Bus, bus],
      [AuditStream, new NatsAuditStream(nats, logger)],
      [AdminAccess, access],
      [PolicyAdminAccess, access],
    ],
  });
});
