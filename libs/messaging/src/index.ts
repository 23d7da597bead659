export { askIssuerKeys } from './ask-issuer-keys';
export {
  AuditStream,
  type ConsumeOptions,
  type StreamedEvent,
  type StreamProgress,
  type UnreadableMessage,
} from './audit-stream';
export { Bus } from './bus';
export { BusAdminAccess } from './bus-admin-access';
export { InProcessBus } from './in-process-bus';
export { NatsAuditStream } from './nats-audit-stream';
export { NatsBus } from './nats-bus';
export { connectNats, NatsLink, type NatsLinkOptions } from './nats-link';
export { provisionStreams, type StreamOptions } from './provision-streams';
export { SqlAuditStream, type SqlAuditStreamOptions } from './sql-audit-stream';
