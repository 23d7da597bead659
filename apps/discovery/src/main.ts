import { AuditStream, Bus, BusAdminAccess, NatsAuditStream, NatsBus, connectNats } from '@countersign/messaging';
import { AdminAccess, Logger, ServiceConfig, configOf, runService, startService } from '@countersign/platform';
import { ExpiringStore, RedisExpiringStore, connectRedis } from '@countersign/redis';
import { SafeHttp } from '@countersign/safe-http';
import { DiscoveryConfig } from './config';
import { DiscoveryModule } from './discovery.module';

class ConnectionConfig extends configOf('natsUrl', 'redisUrl') {}

runService(async () => {
  const config = new ServiceConfig(process.env);
  const { natsUrl, redisUrl } = new ConnectionConfig(process.env);
  const discovery = new DiscoveryConfig(process.env);
  const logger = new Logger('discovery', config.logLevel);
  const nats = connectNats({ url: natsUrl, service: 'discovery', logger });
  const bus = new NatsBus(nats, logger);
  const { allowLoopbackIssuers: allowLoopback, allowedPrivateCidrs, httpsProxy } = discovery;
  return startService({
    name: 'discovery',
    config,
    logger,
    modules: [DiscoveryModule],
    provide: [
      [DiscoveryConfig, discovery],
      [ExpiringStore, new RedisExpiringStore(connectRedis({ url: redisUrl, logger }))],
      [SafeHttp, new SafeHttp({ allowLoopback, allowedPrivateCidrs, proxyUrl: httpsProxy ?? null })],
      [Bus, bus],
      [AuditStream, new NatsAuditStream(nats, logger)],
      [AdminAccess, new BusAdminAccess(bus)],
    ],
  });
});
