import type { Comparison } from '../operators';
import { parseTime } from '../typed-tests';

/** An operator whose value is a limit. */
export interface Bound {
  /** Where the limit has to go to let more through. */
  direction: 'up' | 'down';
  /** The number behind a claim's value or a limit as written; null when it is none. */
  read: (value: unknown) => number | null;
  /** The nearest limit that lets a value through, written like the one that stood there. */
  beyond: (value: number, written: string) => string;
}

const numberOf = (value: unknown): number | null => {
  const number = typeof value === 'string' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : null;
};

/** 9999-12-31T23:59:59Z, the last second that RFC 3339 can write. */
const LAST_SECOND = 253_402_300_799;

function secondsOf(value: unknown): number | null {
  const seconds = parseTime(value) ?? numberOf(value);
  return seconds !== null && seconds >= 0 && seconds < LAST_SECOND ? seconds : null;
}

const numeric = (direction: Bound['direction'], step: number): Bound => ({
  direction,
  read: numberOf,
  beyond: (value) => String(past(value, step)),
});

const date = (direction: Bound['direction'], step: number): Bound => ({
  direction,
  read: secondsOf,
  beyond: (value, written) => {
    const seconds = past(value, step);
    return /^\d+$/.test(written) ? String(seconds) : timeText(seconds);
  },
});

/** The nearest whole number on the far side; the value itself when it is enough to reach it. */
function past(value: number, step: number): number {
  if (step === 0) return value;
  return step > 0 ? Math.floor(value) + 1 : Math.ceil(value) - 1;
}

/** RFC 3339. */
const timeText = (seconds: number): string => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');

export const bounds: Partial<Record<Comparison, Bound>> = {
  'numeric-less': numeric('up', 1),
  'numeric-less-equal': numeric('up', 0),
  'numeric-greater': numeric('down', -1),
  'numeric-greater-equal': numeric('down', 0),
  'date-less': date('up', 1),
  'date-greater': date('down', -1),
};
