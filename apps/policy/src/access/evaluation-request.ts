import { ProblemError } from '@countersign/platform';
import { z } from 'zod';

const MAX_EVALUATIONS = 500;

const properties = z.record(z.string(), z.unknown()).default({});
const text = z.string().min(1).max(65_536);

const subject = z.object({ type: text, id: text, properties });
const action = z.object({ name: text, properties });
const resource = z.object({
  type: text.refine((type) => !type.includes(':'), { message: "must not contain ':'" }),
  id: text,
  properties,
});
const context = z.record(z.string(), z.unknown()).default({});

/** AuthZEN 1.0 Access Evaluation request; members we do not know are ignored. */
const evaluation = z.object({ subject, action, resource, context });

/** One question: may this subject do this to this resource? */
export type Evaluation = z.infer<typeof evaluation>;

const semantics = ['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'] as const;
export type Semantics = (typeof semantics)[number];

const batch = z.object({
  evaluations: z.array(z.record(z.string(), z.unknown())).max(MAX_EVALUATIONS).optional(),
  options: z.object({ evaluations_semantic: z.enum(semantics).default('execute_all') }).default({
    evaluations_semantic: 'execute_all',
  }),
});

/** Several questions; `null` is one that the request did not pose completely. */
export interface EvaluationBatch {
  semantics: Semantics;
  evaluations: (Evaluation | null)[];
}

function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const detail = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).slice(0, 10);
  throw new ProblemError('malformed-request', detail.join('; '));
}

/** @throws ProblemError malformed-request: AuthZEN wants 400 for what other endpoints answer with 422 */
export const parseEvaluation = (body: unknown): Evaluation => parse(evaluation, body);

const MEMBERS = ['subject', 'action', 'resource', 'context'] as const;

/**
 * A batch, its defaults filled in; null when it has no `evaluations` and therefore is a single question.
 * @throws ProblemError malformed-request when the batch as such is not one
 */
export function parseBatch(body: unknown): EvaluationBatch | null {
  const { evaluations, options } = parse(batch, body);
  if (evaluations === undefined || evaluations.length === 0) return null;
  const defaults = body as Record<string, unknown>;
  const questions = evaluations.map((own) => {
    // A member of the item replaces the default of the whole; they are not merged.
    const filled = Object.fromEntries(MEMBERS.map((member) => [member, own[member] ?? defaults[member]]));
    return evaluation.safeParse(filled).data ?? null;
  });
  return { semantics: options.evaluations_semantic, evaluations: questions };
}
