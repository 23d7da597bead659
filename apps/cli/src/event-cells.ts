import type { ExchangeEventData, RecordedEvent } from '@countersign/contracts';
import { shortType } from './event-filters';

/** Sequence, time, type, subject, reason or roles, trace id. */
export function eventCells({ sequence, time, type, subject, data }: RecordedEvent): string[] {
  const { reason, decision, traceId } = data as Partial<ExchangeEventData>;
  return [
    ...[sequence, time, shortType(type), subject ?? '-'],
    ...[reason ?? (decision?.roles.join(', ') || '-'), traceId ?? '-'],
  ];
}
