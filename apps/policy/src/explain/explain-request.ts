import type { ProblemError } from '@countersign/platform';
import { z } from 'zod';
import { parseQuestion, refuseMembers } from '../json-body';

/** Also of a subject token (libs/tokens), with room for what is pasted around it. */
const MAX_TOKEN = 20_000;
const MAX_TEXT = 2_048;
const text = z.string().min(1).max(MAX_TEXT);
const id = z.string().regex(/^[\x21-\x7e]{1,128}$/, 'must be 1 to 128 visible ASCII characters');

const evidence = {
  claims: z.record(z.string(), z.unknown()).optional(),
  token: z.string().min(1).max(MAX_TOKEN).optional(),
  traceId: id.optional(),
  eventId: id.optional(),
};

/** Body of `POST /v1/explain`. */
export const explainBody = z.strictObject({
  ...evidence,
  audience: z.union([text, z.array(text).max(50)]).optional(),
  scope: z.string().max(MAX_TEXT).optional(),
  sourceIp: z.union([z.ipv4(), z.ipv6()]).optional(),
  time: z.iso.datetime({ offset: true }).optional(),
  action: text.optional(),
  resource: text.optional(),
});

type Body = z.infer<typeof explainBody>;

/** What is to be explained: exactly one of these. */
export type EvidenceSource =
  | { from: 'claims'; claims: Record<string, unknown> }
  | { from: 'token'; token: string }
  | { from: 'trace'; traceId: string }
  | { from: 'event'; eventId: string };

export interface ExplainQuestion {
  source: EvidenceSource;
  /** What the attempt asks for; left out: what the recorded attempt asked for, else nothing. */
  audience?: string[];
  scope?: NamedScope;
  sourceIp?: string;
  /** Epoch seconds. */
  now?: number;
  /** What the token is to be used for. */
  permission: { action: string; resource: string } | null;
}

/** A scope and the names in it. */
export interface NamedScope {
  text: string;
  roles: string[] | null;
  policies: string[] | null;
}

/** @throws ProblemError unsupported-media-type, invalid-parameter, naming the member */
export function parseExplainRequest(body: unknown, contentType: string | undefined): ExplainQuestion {
  const question = parseQuestion(explainBody, body, contentType);
  const { audience, scope, sourceIp, time } = question;
  return {
    source: sourceOf(question),
    ...(audience === undefined ? {} : { audience: [audience].flat() }),
    ...(scope === undefined ? {} : { scope: parseScope(scope) }),
    ...(sourceIp === undefined ? {} : { sourceIp }),
    ...(time === undefined ? {} : { now: Math.floor(Date.parse(time) / 1000) }),
    permission: permissionOf(question),
  };
}

function permissionOf({ action, resource }: Body): ExplainQuestion['permission'] {
  if (action === undefined && resource === undefined) return null;
  if (resource === undefined) throw invalid('/resource', 'comes together with /action');
  if (action === undefined) throw invalid('/action', 'comes together with /resource');
  return { action, resource };
}

const invalid = (path: string, message: string): ProblemError =>
  refuseMembers([{ path, code: 'invalid_value', message }]);

function sourceOf({ claims, token, traceId, eventId }: Body): EvidenceSource {
  const sources: EvidenceSource[] = [
    ...(claims === undefined ? [] : [{ from: 'claims' as const, claims }]),
    ...(token === undefined ? [] : [{ from: 'token' as const, token: token.trim() }]),
    ...(traceId === undefined ? [] : [{ from: 'trace' as const, traceId }]),
    ...(eventId === undefined ? [] : [{ from: 'event' as const, eventId }]),
  ];
  const [source, ...more] = sources;
  if (source === undefined || more.length > 0) {
    throw invalid('', 'exactly one of /claims, /token, /traceId, /eventId must be given');
  }
  return source;
}

/** As the token endpoint reads it: `role:NAME` and `policy:NAME`. */
function parseScope(scope: string): NamedScope {
  const items = scope.split(' ').filter((item) => item !== '');
  if (items.some((item) => !/^(role|policy):./.test(item))) throw invalid('/scope', 'each is role:NAME or policy:NAME');
  const named = (kind: string): string[] | null => {
    const names = items.filter((item) => item.startsWith(`${kind}:`)).map((item) => item.slice(kind.length + 1));
    return names.length > 0 ? names : null;
  };
  return { text: scope, roles: named('role'), policies: named('policy') };
}
