export { AuditModule } from './audit.module';
export { AuditConfig } from './config';
export { AuditDatabase } from './database';
export { DeliverySettings } from './deliveries/delivery-settings';
