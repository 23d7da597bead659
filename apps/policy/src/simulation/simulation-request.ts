import { ProblemError } from '@countersign/platform';
import { z } from 'zod';
import { readDocuments } from '../documents/read-documents';
import type { TimeRange } from '../recorded/recorded-exchanges';

const DAY_MS = 24 * 60 * 60 * 1000;
const DEFAULT_RANGE_MS = 30 * DAY_MS;

const time = z.iso.datetime({ offset: true }).transform((text) => new Date(text));

/** Body of `POST /v1/simulate`. */
export const simulationBody = z.strictObject({
  /** As `POST /v1/apply` takes them in a JSON array. */
  documents: z.array(z.unknown()),
  /** Whether stored documents of the owner that are not given are to go. */
  prune: z.boolean().default(false),
  /** On whose behalf they would be applied: `directory` may change what the resources directory owns. */
  owner: z.enum(['api', 'directory']).default('api'),
  from: time.optional(),
  to: time.optional(),
});

export interface SimulationRequest {
  raw: readonly unknown[];
  prune: boolean;
  owner: 'api' | 'directory';
  range: TimeRange;
}

/**
 * Reads a body; without a range it is the 30 days before `now` (epoch milliseconds).
 * @throws ProblemError invalid-parameter, invalid-document, too-large, malformed-request
 */
export function parseSimulation(body: unknown, contentType: string | undefined, now: number): SimulationRequest {
  if (typeof body === 'string') {
    throw new ProblemError('unsupported-media-type', 'Send the documents and the range as application/json.');
  }
  const parsed = simulationBody.safeParse(body ?? {});
  if (!parsed.success) throw new ProblemError('invalid-parameter', parsed.error.issues.map(describe).join('; '));
  const { documents, prune, owner, to = new Date(now) } = parsed.data;
  const { from = new Date(to.getTime() - DEFAULT_RANGE_MS) } = parsed.data;
  if (from > to) throw new ProblemError('invalid-parameter', 'from: must not be after to');
  return { raw: readDocuments(documents, contentType), prune, owner, range: { from, to } };
}

const describe = ({ path, message }: z.core.$ZodIssue): string => `${path.join('.') || 'body'}: ${message}`;
