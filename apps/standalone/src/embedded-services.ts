import { AuditConfig, AuditDatabase, AuditModule } from '@countersign/audit';
import { DiscoveryConfig, DiscoveryModule } from '@countersign/discovery';
import { ExchangeConfig, ExchangeDatabase, ExchangeModule } from '@countersign/exchange';
import { AuditStream, Bus, BusAdminAccess, InProcessBus, SqlAuditStream } from '@countersign/messaging';
import { AdminAccess, type Environment, type Logger, type Provided } from '@countersign/platform';
import { PolicyConfig, PolicyDatabase, PolicyModule } from '@countersign/policy';
import type { Database } from '@countersign/postgres';
import { ExpiringStore, FailureLimiter, MemoryFailureLimiter, SqlExpiringStore } from '@countersign/redis';
import { SafeHttp } from '@countersign/safe-http';
import { EmbeddedDatabase } from './embedded-database';

export interface EmbeddedServicesOptions {
  variables: Environment;
  url: string;
  migrationUrl?: string | undefined;
  logger: Logger;
}

export const modules = [DiscoveryModule, ExchangeModule, PolicyModule, AuditModule];

/** Refused requests that one address may make in ten seconds. */
const FAILURES = { points: 1_000, seconds: 10 };

/** What the four services need: one PostgreSQL, and twins within this process for what NATS and Redis do. */
export function embeddedServices({ variables, url, migrationUrl, logger }: EmbeddedServicesOptions): {
  provide: Provided[];
  databases: Database[];
} {
  const connection = { url, migrationUrl, logger };
  const exchange = new ExchangeDatabase(connection);
  const policy = new PolicyDatabase(connection);
  const audit = new AuditDatabase(connection);
  const embedded = new EmbeddedDatabase({ url, logger });
  const bus = new InProcessBus(logger);
  const discovery = new DiscoveryConfig(variables);
  const { allowLoopbackIssuers: allowLoopback, allowedPrivateCidrs, httpsProxy } = discovery;
  const provide: Provided[] = [
    [ExchangeConfig, new ExchangeConfig(variables)],
    [PolicyConfig, new PolicyConfig(variables)],
    [AuditConfig, new AuditConfig(variables)],
    [DiscoveryConfig, discovery],
    [ExchangeDatabase, exchange],
    [PolicyDatabase, policy],
    [AuditDatabase, audit],
    [EmbeddedDatabase, embedded],
    [ExpiringStore, new SqlExpiringStore({ query: embedded.prepared })],
    [FailureLimiter, new MemoryFailureLimiter(FAILURES)],
    [SafeHttp, new SafeHttp({ allowLoopback, allowedPrivateCidrs, proxyUrl: httpsProxy ?? null })],
    [AuditStream, new SqlAuditStream({ query: embedded.prepared, logger })],
    [Bus, bus],
    [AdminAccess, new BusAdminAccess(bus)],
  ];
  return { provide, databases: [exchange, policy, audit, embedded] };
}
