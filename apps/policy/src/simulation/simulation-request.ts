import { z } from 'zod';
import { readDocuments } from '../documents/read-documents';
import { parseQuestion, refuseMembers } from '../json-body';
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
 * @throws ProblemError unsupported-media-type, invalid-parameter, invalid-document, too-large, malformed-request
 */
export function parseSimulation(body: unknown, contentType: string | undefined, now: number): SimulationRequest {
  const parsed = parseQuestion(simulationBody, body, contentType);
  const { documents, prune, owner, to = new Date(now) } = parsed;
  const { from = new Date(to.getTime() - DEFAULT_RANGE_MS) } = parsed;
  if (from > to) throw refuseMembers([{ path: '/from', code: 'invalid_value', message: 'must not be after /to' }]);
  return { raw: readDocuments(documents, contentType), prune, owner, range: { from, to } };
}
