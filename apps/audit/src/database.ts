import { Database, type DatabaseOptions } from '@countersign/postgres';
import { AddTransparencyLog1700000001000 } from './migrations/1700000001000-add-transparency-log';
import { AddDeliveryChains1700000002000 } from './migrations/1700000002000-add-delivery-chains';
import { AddDeliveryLimits1700000003000 } from './migrations/1700000003000-add-delivery-limits';
import { SealPersonalData1700000004000 } from './migrations/1700000004000-seal-personal-data';
import { AddEventRoles1700000006000 } from './migrations/1700000006000-add-event-roles';
import { PartitionTrail1700000007000 } from './migrations/1700000007000-partition-trail';
import { AddLeaves1700000009000 } from './migrations/1700000009000-add-leaves';
import { AddStreamProgress1700000008000 } from './migrations/1700000008000-add-stream-progress';
import { AddTimeIndex1700000005000 } from './migrations/1700000005000-add-time-index';
import { CreateAuditSchema1700000000000 } from './migrations/1700000000000-create-audit-schema';

/** Schema `audit`: the trail and the log of it (append-only), webhook endpoints (secrets sealed) and deliveries. */
export class AuditDatabase extends Database {
  constructor(options: Pick<DatabaseOptions, 'url' | 'migrationUrl' | 'logger'>) {
    const migrations = [
      CreateAuditSchema1700000000000,
      AddTransparencyLog1700000001000,
      AddDeliveryChains1700000002000,
      AddDeliveryLimits1700000003000,
      SealPersonalData1700000004000,
      AddTimeIndex1700000005000,
      AddEventRoles1700000006000,
      PartitionTrail1700000007000,
      AddStreamProgress1700000008000,
      AddLeaves1700000009000,
    ];
    const insertOnly = ['event', 'event_role', 'tile', 'leaf', 'checkpoint'];
    const neverUpdated = ['subject_key'];
    const readOnly = ['event_partition'];
    const functions = ['begin_partition', 'drop_partition'];
    const rights = { insertOnly, neverUpdated, readOnly, functions };
    super({ ...options, schema: 'audit', entities: [], migrations, ...rights });
  }
}
