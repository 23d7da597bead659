import type { DocumentError } from '@countersign/contracts';
import { ProblemError } from '@countersign/platform';
import { lintRules } from '@countersign/policy-engine';
import { z } from 'zod';
import { keyOf, type GivenDocument } from '../documents/plan-changes';

const known = new Set(lintRules.map(({ id }) => id));

const split = (text: string): string[] =>
  text
    .split(',')
    .map((rule) => rule.trim())
    .filter((rule) => rule !== '');

/** `?allow=CS003`, once or often, with commas or without: rules whose errors are known and meant. */
export const allowQuery = z
  .union([z.string(), z.array(z.string())])
  .default([])
  .transform((given) => [given].flat().flatMap(split))
  .superRefine((rules, ctx) => {
    for (const rule of rules.filter((name) => !known.has(name))) {
      ctx.addIssue({ code: 'custom', message: `there is no rule ${rule.slice(0, 64)}` });
    }
  });

const ANNOTATION = 'countersign.dev/allow';
const annotated = z.object({ metadata: z.object({ annotations: z.object({ [ANNOTATION]: z.string() }) }) });

/**
 * The rules that each document allows for itself, by key: reviewed where the document is.
 * @throws ProblemError invalid-document for a rule that does not exist
 */
export function annotatedRules(
  given: readonly GivenDocument[],
  raws: readonly unknown[],
): Map<string, readonly string[]> {
  const errors: DocumentError[] = [];
  const rules = given.map(({ document, raw }) => {
    const { data } = annotated.safeParse(raw);
    const named = split(data?.metadata.annotations[ANNOTATION] ?? '');
    const { kind, name } = document;
    errors.push(
      ...named
        .filter((rule) => !known.has(rule))
        .map((rule) => ({
          ...{ document: raws.indexOf(raw), kind, name, path: '/metadata/annotations/countersign.dev~1allow' },
          ...{ code: 'unknown_rule', message: `there is no rule ${rule.slice(0, 64)}` },
        })),
    );
    return [keyOf(document), named] as const;
  });
  if (errors.length === 0) return new Map(rules);
  throw new ProblemError('invalid-document', errors.length === 1 ? '1 error' : `${errors.length} errors`, { errors });
}
