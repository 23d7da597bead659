import type { CloudEvent } from '@countersign/contracts';

const printable = (text: string): string => text.replace(/[^\x21-\x7e]/g, '?').slice(0, 256);

/** Stands in the trail where an event could not be stored: that there was one, and nothing that it said. */
export function placeholderFor(event: CloudEvent, time: Date): CloudEvent {
  return {
    specversion: '1.0',
    id: printable(event.id),
    source: printable(event.source),
    type: event.type,
    time: time.toISOString(),
    datacontenttype: 'application/json',
    data: { outcome: 'unreadable', reason: 'not_storable' },
  };
}
