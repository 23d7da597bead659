export { PolicyConfig } from './config';
export { PolicyDatabase, type PolicyDatabaseOptions } from './policy-database';
export { PolicyModule } from './policy.module';
export { MonotonicClock } from './snapshot/monotonic-clock';
