import type { Claims, Subject } from './decisions';

type Properties = Readonly<Record<string, unknown>>;

/** Everything condition keys can read. What a decision does not know is left out, and then missing. */
export interface Attributes {
  claims?: Claims;
  ctx: { sourceIp: string | null; time: number; audience: readonly string[] };
  subject?: Subject;
  action?: { name: string; properties: Properties };
  resource?: { type: string; id: string; properties: Properties };
  context?: Properties;
}

const sources = ['jwt', 'ctx', 'subject', 'resource', 'action', 'context'] as const;
const contextNames = ['sourceIp', 'time', 'audience'];

export interface AttributeKey {
  source: (typeof sources)[number];
  /** One name, or the reference tokens of a JSON Pointer (RFC 6901). */
  path: readonly string[];
}

/** The value is known to exist somewhere, but not here: never the same as a missing claim. */
export const unresolvable = Symbol('unresolvable');

/** Reads `source:name` or `source:/json/pointer`; null when there is no such key. */
export function parseKey(key: string): AttributeKey | null {
  const colon = key.indexOf(':');
  const source = sources.find((known) => known === key.slice(0, colon));
  const name = key.slice(colon + 1);
  if (!source || name === '') return null;
  if (source === 'ctx') return contextNames.includes(name) ? { source, path: [name] } : null;
  const path = name.startsWith('/') ? parsePointer(name) : [name];
  return path && { source, path };
}

function parsePointer(pointer: string): string[] | null {
  if (/~(?![01])/.test(pointer)) return null;
  const tokens = pointer.slice(1).split('/');
  return tokens.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** The value behind a key; undefined when it is missing. Only own members count, never inherited ones. */
export function resolveKey(key: AttributeKey, attributes: Attributes): unknown {
  const [name = ''] = key.path;
  switch (key.source) {
    case 'jwt':
      return resolveClaim(key.path, attributes.claims ?? {});
    case 'ctx':
      return resolveCtx(name, attributes.ctx);
    case 'subject':
      return resolveNamed(key.path, attributes.subject, ['type', 'id']);
    case 'resource':
      return resolveNamed(key.path, attributes.resource, ['type', 'id']);
    case 'action':
      return resolveNamed(key.path, attributes.action, ['name']);
    case 'context':
      return walk(attributes.context, key.path);
  }
}

function resolveClaim(path: readonly string[], claims: Claims): unknown {
  const value = walk(claims, path);
  return value === undefined && isOverage(path[0] ?? '', claims) ? unresolvable : value;
}

/** Entra leaves groups out when there are too many and says where they are (OpenID Connect Core, section 5.6.2). */
export function isOverage(claim: string, claims: Claims): boolean {
  if (Object.hasOwn(claims, claim)) return false;
  const elsewhere = walk(claims, ['_claim_names', claim]) !== undefined;
  return elsewhere || (claim === 'groups' && [true, 'true'].includes(walk(claims, ['hasgroups']) as boolean));
}

function resolveCtx(name: string, ctx: Attributes['ctx']): unknown {
  if (name === 'sourceIp') return ctx.sourceIp ?? undefined;
  if (name === 'time') return ctx.time;
  // One audience reads as a string, so that plain string operators work on it.
  return ctx.audience.length > 1 ? ctx.audience : ctx.audience[0];
}

/** Properties can never shadow what identifies the entity. */
function resolveNamed(path: readonly string[], entity: unknown, identity: readonly string[]): unknown {
  if (path.length === 1 && identity.includes(path[0] ?? '')) return walk(entity, path);
  return walk(walk(entity, ['properties']), path);
}

function walk(start: unknown, path: readonly string[]): unknown {
  let current = start;
  for (const token of path) {
    if (typeof current !== 'object' || current === null) return undefined;
    if (Array.isArray(current) && !/^(0|[1-9]\d*)$/.test(token)) return undefined;
    if (!Object.hasOwn(current, token)) return undefined;
    current = (current as Record<string, unknown>)[token];
  }
  return current;
}
