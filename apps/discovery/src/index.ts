export { DiscoveryConfig } from './config';
export { DiscoveryModule } from './discovery.module';
