import { AuditStream, Bus, BusAdminAccess, NatsAuditStream, NatsBus, connectNats } from '@countersign/messaging';
import { AdminAccess, Logger, ServiceConfig, configOf, runService, startService } from '@countersign/platform';
import { SafeHttp } from '@countersign/safe-http';
import { AuditModule } from './audit.module';
import { AuditConfig } from './config';
import { AuditDatabase } from './database';
import { provisionWhenPossible } from './provisioning';

class ConnectionConfig extends configOf('natsUrl', 'streamReplicas', 'databaseUrl', 'migrationDatabaseUrl') {}

runService(async () => {
  const config = new ServiceConfig(process.env);
  const connections = new ConnectionConfig(process.env);
  const { natsUrl, databaseUrl: url, migrationDatabaseUrl: migrationUrl } = connections;
  const audit = new AuditConfig(process.env);
  const logger = new Logger('audit', config.logLevel);
  const nats = connectNats({ url: natsUrl, service: 'audit', logger });
  void provisionWhenPossible(nats, logger, connections.streamReplicas);
  const bus = new NatsBus(nats, logger);
  const { allowLoopbackIssuers: allowLoopback, allowedPrivateCidrs, httpsProxy } = audit;
  return startService({
    name: 'audit',
    config,
    logger,
    modules: [AuditModule],
    provide: [
      [AuditConfig, audit],
      [AuditDatabase, new AuditDatabase({ url, migrationUrl, logger })],
      [SafeHttp, new SafeHttp({ allowLoopback, allowedPrivateCidrs, proxyUrl: httpsProxy ?? null })],
      [Bus, bus],
      [AuditStream, new NatsAuditStream(nats, logger)],
      [AdminAccess, new BusAdminAccess(bus)],
    ],
  });
});
