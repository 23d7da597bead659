import { z } from 'zod';
import { conditionTextForm, durationForm, nameForm } from './documents-json-forms';

/** Most entries of any list in a document. */
const maxEntries = 1_000;

/** Adds an error with one of our own codes to a refinement or transform. */
export function reject(ctx: z.RefinementCtx, code: string, message: string, path: PropertyKey[] = []): void {
  ctx.addIssue({ code: 'custom', message, path, params: { code } });
}

/** A string check with our own code. */
export const text = (code: string, message: string, accepts: (value: string) => boolean) =>
  z.string().superRefine((value, ctx) => {
    if (!accepts(value)) reject(ctx, code, message);
  });

export const nonEmpty = z.string().min(1);

/** Scalars become lists of one entry; objects and null stay what they are and are refused by the list. */
export const asList = (value: unknown): unknown =>
  ['string', 'number', 'boolean', 'bigint'].includes(typeof value) ? [value] : value;

export const listOf = <T extends z.ZodType>(entry: T) => z.preprocess(asList, z.array(entry).min(1).max(maxEntries));

/** A list that may say "nothing". */
export const listOrNone = <T extends z.ZodType>(entry: T) => z.preprocess(asList, z.array(entry).max(maxEntries));

/** YAML reads 123 and true as a number and a boolean where conditions mean text. */
export const conditionText = z
  .unknown()
  .transform((value, ctx): string => {
    if (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER) {
      reject(ctx, 'inexact_number', 'is too large to be read exactly; quote it');
    } else if (!['string', 'number', 'boolean', 'bigint'].includes(typeof value)) {
      reject(ctx, 'invalid_type', 'must be a string');
    }
    return String(value);
  })
  .meta(conditionTextForm({ templates: true }));

const units: Record<string, number> = { ns: 1e-9, us: 1e-6, µs: 1e-6, μs: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3_600 };
const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;

/** Go's duration form (`1h30m`) in seconds; null when it is not one. */
function parseDuration(value: string): number | null {
  const parts = [...value.matchAll(part)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join('') !== value) return null;
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ''] ?? NaN), 0);
}

/** A duration within bounds, in whole seconds. */
export const duration = (bounds: { from: number; to: number; says: string }) =>
  z
    .string()
    .meta(durationForm)
    .transform((value, ctx): number => {
      const seconds = parseDuration(value);
      if (seconds === null) reject(ctx, 'invalid_duration', 'must be a duration such as 90s or 1h30m');
      else if (!Number.isInteger(seconds)) reject(ctx, 'invalid_duration', 'must be whole seconds');
      else if (seconds < bounds.from || seconds > bounds.to) reject(ctx, 'out_of_range', `must be ${bounds.says}`);
      return seconds ?? NaN;
    });

/** Names of documents, and references to them. */
export const documentName = text(
  'invalid_name',
  'must be lower case letters, digits, "-" and ".", begin and end with a letter or digit, 253 characters at most',
  (value) => value.length <= 253 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(value),
).meta(nameForm);

/** An http(s) URL without user, query and fragment. */
export function isPlainUrl(value: string): boolean {
  if (!URL.canParse(value) || /[\s\u0000-\u001f?#]/.test(value)) return false;
  const { protocol, username, password } = new URL(value);
  return ['https:', 'http:'].includes(protocol) && username === '' && password === '';
}
