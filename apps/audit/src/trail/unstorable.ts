import type { CloudEvent } from '@countersign/contracts';

/** SQLSTATE classes that speak of the value, not of the server: data exception, program limit exceeded. */
const ABOUT_THE_VALUE = /^(22|54)/;

const driverCode = (error: unknown): unknown =>
  typeof error === 'object' &&
  error !== null &&
  'driverError' in error &&
  typeof error.driverError === 'object' &&
  error.driverError !== null &&
  'code' in error.driverError
    ? error.driverError.code
    : null;

/** Would this fail again however often it is tried? Too deep for JSON.stringify counts as well. */
export function isUnstorable(error: unknown): boolean {
  const code = driverCode(error);
  return error instanceof RangeError || (typeof code === 'string' && ABOUT_THE_VALUE.test(code));
}

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
