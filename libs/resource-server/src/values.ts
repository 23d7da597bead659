export const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A text, or a list of texts, as list; empty when it is neither. */
export function textsOf(value: unknown): string[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.every(isText) ? list : [];
}
