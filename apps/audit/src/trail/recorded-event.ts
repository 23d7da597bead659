import type { CloudEvent, RecordedEvent } from '@countersign/contracts';

/**
 * An event with its place in the trail, its members in a fixed order: what the API shows and what webhooks carry,
 * and the same bytes each time it is made.
 */
export function recordedEvent(event: CloudEvent, sequence: string): RecordedEvent {
  const { specversion, id, source, type, subject, time, datacontenttype, traceparent, data } = event;
  return {
    specversion,
    id,
    source,
    type,
    ...(subject === undefined ? {} : { subject }),
    time,
    datacontenttype,
    ...(traceparent === undefined ? {} : { traceparent }),
    sequence,
    data,
  };
}
