import { checkPattern, type PolicySpec } from '@countersign/policy-engine';
import { z } from 'zod';
import { condition } from './documents-condition';
import { listOf, nonEmpty, reject } from './documents-fields';
import { patternForm } from './documents-json-forms';

const pattern = (options: { templates: boolean }) =>
  z
    .string()
    .superRefine((value, ctx) => {
      const problem = checkPattern(value, options);
      if (problem) reject(ctx, problem.code, problem.message);
    })
    .meta(patternForm({ ...options, matchAll: true }));

/** One of Policy.spec.statement as it may be written. */
export const statementFields = z.strictObject({
  sid: nonEmpty.max(128).optional(),
  effect: z.enum(['Allow', 'Deny']),
  action: listOf(pattern({ templates: false })),
  resource: listOf(pattern({ templates: true })),
  condition: condition({ templates: true }).optional(),
});

/** Policy.spec as written -> normalised. */
export const policySpec = z
  .strictObject({ statement: z.array(statementFields).min(1).max(1_000) })
  .transform((spec): PolicySpec => ({
    statement: spec.statement.map(({ sid, effect, action, resource, condition: written }) => ({
      sid: sid ?? null,
      effect,
      action,
      resource,
      condition: written ?? null,
    })),
  }));
