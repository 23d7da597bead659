import { AuditStream, Bus, BusAdminAccess, NatsAuditStream, NatsBus, connectNats } from '@countersign/messaging';
import {
  AdminAccess,
  Logger,
  ServiceConfig,
  configOf,
  endOnConfigError,
  runService,
  startService,
} from '@countersign/platform';
import {
  ExpiringStore,
  FailureLimiter,
  RedisExpiringStore,
  RedisFailureLimiter,
  assertNoEviction,
  connectRedis,
} from '@countersign/redis';
import { ExchangeConfig } from './config';
import { ExchangeDatabase } from './database';
import { ExchangeModule } from './exchange.module';

class ConnectionConfig extends configOf('natsUrl', 'redisUrl', 'databaseUrl', 'migrationDatabaseUrl') {}

/** Refused requests that one address may make in ten seconds. */
const FAILURES = { points: 1_000, seconds: 10 };

runService(async () => {
  const config = new ServiceConfig(process.env);
  const connections = new ConnectionConfig(process.env);
  const logger = new Logger('exchange', config.logLevel);
  const { databaseUrl: url, migrationDatabaseUrl: migrationUrl } = connections;
  const nats = connectNats({ url: connections.natsUrl, service: 'exchange', logger });
  const redis = connectRedis({ url: connections.redisUrl, logger });
  endOnConfigError(assertNoEviction(redis));
  const bus = new NatsBus(nats, logger);
  return startService({
    name: 'exchange',
    config,
    logger,
    modules: [ExchangeModule],
    provide: [
      [ExchangeConfig, new ExchangeConfig(process.env)],
      [ExchangeDatabase, new ExchangeDatabase({ url, migrationUrl, logger })],
      [ExpiringStore, new RedisExpiringStore(redis)],
      [FailureLimiter, new RedisFailureLimiter(redis, FAILURES, 'cs:exchange:failures')],
      [Bus, bus],
      [AuditStream, new NatsAuditStream(nats, logger)],
      [AdminAccess, new BusAdminAccess(bus)],
    ],
  });
});
