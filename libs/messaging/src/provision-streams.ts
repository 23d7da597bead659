import { AUDIT_STREAMS } from '@countersign/contracts';
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import type { NatsLink } from './nats-link';

const DUPLICATE_WINDOW_MS = 120_000;
const MOST_REFUSALS = 100_000;
/** The durable consumer that other systems read the trail with; they may make none themselves. */
const SUBSCRIBER = 'subscriber';
const NOT_FOUND: number[] = [JetStreamApiCodes.StreamNotFound, JetStreamApiCodes.ConsumerNotFound];
const REFUSALS_MAX_BYTES = 64 * 1024 * 1024;

export interface StreamOptions {
  /** Copies in a cluster: 3 there, 1 on a single server. */
  replicas: number;
  /** Most bytes of the trail's stream; when it is full, appending fails and nothing is dropped. -1: the server's. */
  auditMaxBytes?: number;
  /** Most messages that the stream of refusals keeps, of one event or more: 100,000 unless given. */
  mostRefusals?: number;
}

type NewStream = Partial<StreamConfig> & { name: string };

function streams({ replicas, auditMaxBytes = -1, mostRefusals = MOST_REFUSALS }: StreamOptions): NewStream[] {
  const common = {
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    num_replicas: replicas,
    duplicate_window: nanos(DUPLICATE_WINDOW_MS),
  };
  const { audit, refusals } = AUDIT_STREAMS;
  return [
    {
      ...common,
      name: audit.name,
      subjects: [`${audit.subjectPrefix}.>`],
      discard: DiscardPolicy.New,
      deny_delete: true,
      deny_purge: true,
      max_bytes: auditMaxBytes,
    },
    {
      ...common,
      name: refusals.name,
      subjects: [`${refusals.subjectPrefix}.>`],
      discard: DiscardPolicy.Old,
      max_msgs: mostRefusals,
      max_bytes: REFUSALS_MAX_BYTES,
    },
  ];
}

/**
 * Makes the audit streams that do not exist and returns their names, and the consumer for other systems; what exists is
 * left as it is, nothing is ever deleted. Waits for the connection.
 */
export async function provisionStreams(link: NatsLink, options: StreamOptions): Promise<string[]> {
  const manager = await jetstreamManager(await link.whenConnected(), { checkAPI: false });
  const created: string[] = [];
  for (const stream of streams(options)) {
    if (await exists(manager.streams.info(stream.name))) continue;
    await manager.streams.add(stream);
    created.push(stream.name);
  }
  const { name } = AUDIT_STREAMS.audit;
  if (!(await exists(manager.consumers.info(name, SUBSCRIBER)))) {
    await manager.consumers.add(name, {
      durable_name: SUBSCRIBER,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
    });
  }
  return created;
}

async function exists(info: Promise<unknown>): Promise<boolean> {
  try {
    await info;
    return true;
  } catch (error) {
    if (error instanceof JetStreamApiError && NOT_FOUND.includes(error.code)) return false;
    throw error;
  }
}
