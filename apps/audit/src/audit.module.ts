import { Module } from '@nestjs/common';
import { DeliveriesController } from './deliveries/deliveries.controller';
import { DeliveryOutcomes } from './deliveries/delivery-outcomes';
import { DeliveryQueue } from './deliveries/delivery-queue';
import { DeliveryReader } from './deliveries/delivery-reader';
import { DeliverySender } from './deliveries/delivery-sender';
import { DeliveryWorker } from './deliveries/delivery-worker';
import { Redelivery } from './deliveries/redelivery';
import { EventExport } from './export/event-export';
import { ExportController } from './export/export.controller';
import { CheckpointSchedule } from './log/checkpoint-schedule';
import { CheckpointWriter } from './log/checkpoint-writer';
import { LogReader } from './log/log-reader';
import { LogController } from './log/log.controller';
import { Witnesses } from './log/witnesses';
import { Erasures } from './personal-data/erasures';
import { ErasuresController } from './personal-data/erasures.controller';
import { SubjectKeys } from './personal-data/subject-keys';
import { Retention } from './retention/retention';
import { RetentionSchedule } from './retention/retention-schedule';
import { EventFeed } from './trail/event-feed';
import { EventReader } from './trail/event-reader';
import { EventsController } from './trail/events.controller';
import { GapCheck } from './trail/gap-check';
import { GapSchedule } from './trail/gap-schedule';
import { TrailConsumer } from './trail/trail-consumer';
import { TrailWriter } from './trail/trail-writer';
import { EndpointAdmin } from './webhooks/endpoint-admin';
import { EndpointCheck } from './webhooks/endpoint-check';
import { EndpointEvents } from './webhooks/endpoint-events';
import { EndpointSecrets } from './webhooks/endpoint-secrets';
import { EndpointStore } from './webhooks/endpoint-store';
import { WebhooksController } from './webhooks/webhooks.controller';

/** The trail and its webhooks. Needs AuditConfig, AuditDatabase, AuditStream, Bus and SafeHttp. */
@Module({
  controllers: [
    ExportController,
    EventsController,
    LogController,
    WebhooksController,
    DeliveriesController,
    ErasuresController,
  ],
  providers: [
    TrailConsumer,
    TrailWriter,
    GapCheck,
    GapSchedule,
    EventReader,
    EventFeed,
    EventExport,
    SubjectKeys,
    Erasures,
    EndpointAdmin,
    EndpointCheck,
    EndpointSecrets,
    EndpointStore,
    EndpointEvents,
    DeliveryOutcomes,
    DeliveryQueue,
    DeliveryReader,
    DeliverySender,
    DeliveryWorker,
    Redelivery,
    CheckpointWriter,
    CheckpointSchedule,
    LogReader,
    Retention,
    RetentionSchedule,
    Witnesses,
  ],
})
export class AuditModule {}
