export { ExpiringStore, type Reservation, type StoreState } from './expiring-store';
export { FailureLimiter } from './failure-limiter';
export { MemoryFailureLimiter, RedisFailureLimiter, type FailureBudget } from './failure-limiters';
export { RedisExpiringStore } from './redis-expiring-store';
export { assertNoEviction, connectRedis, RedisLink, type RedisLinkOptions } from './redis-link';
export { SqlExpiringStore, type SqlExpiringStoreOptions } from './sql-expiring-store';
