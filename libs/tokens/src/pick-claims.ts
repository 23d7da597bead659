import { isObject } from './strict-json';

/**
 * The named claims, nothing else, in the shape they came in: a JSON Pointer (RFC 6901) keeps the objects on
 * its way and drops their other members. An array is kept whole, since its positions would shift.
 */
export function pickClaims(claims: Record<string, unknown>, references: Iterable<string>): Record<string, unknown> {
  const picked: Record<string, unknown> = {};
  for (const reference of references) copyPath(claims, picked, pathOf(reference));
  return picked;
}

function pathOf(reference: string): string[] {
  if (!reference.startsWith('/')) return [reference];
  const segments = reference.slice(1).split('/');
  return segments.map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function copyPath(from: Record<string, unknown>, to: Record<string, unknown>, path: readonly string[]): void {
  const [name, ...rest] = path;
  if (name === undefined || !Object.hasOwn(from, name)) return;
  const value = from[name];
  if (rest.length === 0 || Array.isArray(value)) to[name] = value;
  if (rest.length === 0 || !isObject(value)) return;
  // Already picked whole by a shorter reference.
  if (to[name] === value) return;
  const nested = isObject(to[name]) ? to[name] : {};
  copyPath(value, nested, rest);
  if (Object.keys(nested).length > 0) to[name] = nested;
}
