import { ProblemError, fieldErrors, parseBody } from '@countersign/platform';
import { z } from 'zod';
import { inWords } from '../json-body';

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
export const evaluationSchema = z.object({ subject, action, resource, context });

/** One question: may this subject do this to this resource? */
export type Evaluation = z.infer<typeof evaluationSchema>;

const semantics = ['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'] as const;
export type Semantics = (typeof semantics)[number];

/** AuthZEN 1.0 Access Evaluations request; beside these, the members of an evaluation are defaults. */
export const batchSchema = z.object({
  evaluations: z.array(z.record(z.string(), z.unknown())).max(MAX_EVALUATIONS).optional(),
  options: z.object({ evaluations_semantic: z.enum(semantics).default('execute_all') }).default({
    evaluations_semantic: 'execute_all',
  }),
});

/** Several questions; `invalid` says what is wrong with one that cannot be decided. */
export interface EvaluationBatch {
  semantics: Semantics;
  evaluations: (Evaluation | { invalid: string })[];
}

const parse = <T>(schema: z.ZodType<T>, body: unknown): T =>
  parseBody(schema, body, (errors) => new ProblemError('malformed-request', inWords(errors)));

/** @throws ProblemError malformed-request: AuthZEN wants 400 for what other endpoints answer with 422 */
export const parseEvaluation = (body: unknown): Evaluation => parse(evaluationSchema, body);

const MEMBERS = ['subject', 'action', 'resource', 'context'] as const;

/**
 * A batch, its defaults filled in; null when it has no `evaluations` and therefore is a single question.
 * @throws ProblemError malformed-request when the batch as such is not one
 */
export function parseBatch(body: unknown): EvaluationBatch | null {
  const { evaluations, options } = parse(batchSchema, body);
  if (evaluations === undefined || evaluations.length === 0) return null;
  const defaults = body as Record<string, unknown>;
  const questions = evaluations.map((own) => {
    // A member of the item, null too, replaces the default of the whole; they are not merged (§7.1.1).
    const filled = MEMBERS.map((member) => [member, Object.hasOwn(own, member) ? own[member] : defaults[member]]);
    const { data, error } = evaluationSchema.safeParse(Object.fromEntries(filled), { reportInput: true });
    return data ?? { invalid: inWords(fieldErrors(error)) };
  });
  return { semantics: options.evaluations_semantic, evaluations: questions };
}
