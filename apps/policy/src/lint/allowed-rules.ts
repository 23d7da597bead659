import { ALLOW_ANNOTATION, jsonPointer, ruleList, rulesAllowedBy, type DocumentError } from '@countersign/contracts';
import { ProblemError, countErrors } from '@countersign/platform';
import { lintRules } from '@countersign/policy-engine';
import { z } from 'zod';
import type { GivenDocument } from '../documents/plan-changes';

const known = new Set(lintRules.map(({ id }) => id));

/** `?allow=CS003`, once or often, with commas or without: rules whose errors are known and meant. */
export const allowQuery = z
  .union([z.string(), z.array(z.string())])
  .default([])
  .transform((given) => [given].flat().flatMap(ruleList))
  .superRefine((rules, ctx) => {
    for (const rule of rules.filter((name) => !known.has(name))) {
      ctx.addIssue({ code: 'custom', message: `there is no rule ${rule.slice(0, 64)}` });
    }
  });

/**
 * What is wrong with the annotations that allow errors.
 * @throws ProblemError invalid-document for a rule that does not exist
 */
export function checkAnnotations(given: readonly GivenDocument[], raws: readonly unknown[]): void {
  const path = jsonPointer(['metadata', 'annotations', ALLOW_ANNOTATION]);
  const errors = given.flatMap(({ document: { kind, name }, raw }): DocumentError[] =>
    rulesAllowedBy(raw)
      .filter((rule) => !known.has(rule))
      .map((rule) => ({
        ...{ document: raws.indexOf(raw), kind, name, path },
        ...{ code: 'unknown_rule', message: `there is no rule ${rule.slice(0, 64)}` },
      })),
  );
  if (errors.length === 0) return;
  throw new ProblemError('invalid-document', countErrors(errors), { errors });
}
