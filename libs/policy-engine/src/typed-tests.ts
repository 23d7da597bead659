import { isWithin, parseRange, type AddressRange } from './addresses';
import { accept, refuse, type Parsed, type ValueKind } from './value-kind';

/** Numbers only: a string of digits is a string. */
export function numbers(compare: (value: number, limit: number) => boolean): ValueKind<number> {
  return {
    parse: (text) => {
      const number = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) ? Number(text) : NaN;
      return isExact(number) ? accept(number) : refuse('invalid_number', 'must be a number of at most 2^53 - 1');
    },
    test: (limits) => (value) => (isExact(value) ? limits.some((limit) => compare(value, limit)) : null),
  };
}

/** Beyond 2^53 two different integers read as the same number. */
const isExact = (value: unknown): value is number =>
  typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER;

const parseBoolean = (text: string): Parsed<boolean> =>
  text === 'true' || text === 'false' ? accept(text === 'true') : refuse('invalid_boolean', 'must be true or false');

/** Booleans only: "true" is a string. */
export const booleans: ValueKind<boolean> = {
  parse: parseBoolean,
  test: (values) => (value) => (typeof value === 'boolean' ? values.includes(value) : null),
};

/** Whether the value is absent or null. */
export const presence: ValueKind<boolean> = {
  parse: parseBoolean,
  test: (values) => (value) => values.includes(value === undefined || value === null),
};

export const addresses: ValueKind<AddressRange> = {
  parse: (text) => {
    const range = parseRange(text);
    return range ? accept(range) : refuse('invalid_address', 'must be an IP address or a CIDR block');
  },
  test: (ranges) => (value) => (typeof value === 'string' ? isWithin(value, ranges) : null),
};

/** Times: RFC 3339 strings or epoch seconds (NumericDate, RFC 7519). */
export function dates(compare: (value: number, limit: number) => boolean): ValueKind<number> {
  return {
    parse: (text) => {
      const seconds = /^\d{1,12}$/.test(text) ? Number(text) : parseTime(text);
      return seconds === null ? refuse('invalid_date', 'must be an RFC 3339 time or epoch seconds') : accept(seconds);
    },
    test: (limits) => (value) => {
      const seconds = isExact(value) ? value : parseTime(value);
      return seconds === null ? null : limits.some((limit) => compare(seconds, limit));
    },
  };
}

/** RFC 3339 to epoch seconds; null when it is not such a time. */
export function parseTime(value: unknown): number | null {
  if (typeof value !== 'string') return null;
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(value)) return null;
  const milliseconds = Date.parse(value);
  return Number.isNaN(milliseconds) ? null : milliseconds / 1000;
}
