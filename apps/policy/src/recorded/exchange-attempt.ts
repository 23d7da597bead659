import { exchangeEventDataSchema, type CloudEvent, type ExchangeEventData } from '@countersign/contracts';

const EXCHANGES = new Set(['granted', 'denied', 'voided'].map((outcome) => `dev.countersign.exchange.${outcome}.v1`));

/** An attempt at an exchange, read off its event. */
export interface ExchangeAttempt {
  eventId: string;
  /** Public URL of the service that recorded it. */
  source: string;
  time: Date;
  data: ExchangeEventData;
}

/** Is the event about an attempt at an exchange? */
export const isExchange = ({ type }: CloudEvent): boolean => EXCHANGES.has(type);

/** The attempt; null when the event does not have the form of one. */
export function readAttempt({ id, source, time: text, data }: CloudEvent): ExchangeAttempt | null {
  const time = new Date(text);
  const parsed = exchangeEventDataSchema.safeParse(data);
  return parsed.success && !Number.isNaN(time.getTime()) ? { eventId: id, source, time, data: parsed.data } : null;
}
