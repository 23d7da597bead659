import { compileCondition, parseOperator, type Condition } from '@countersign/policy-engine';
import { z } from 'zod';
import { asList, conditionText, reject } from './documents-fields';
import { conditionForm } from './documents-json-forms';

const values = z.preprocess(asList, z.array(conditionText).max(1_000));
const shape = z.record(z.string(), z.record(z.string(), values));

const fromPointer = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));

/** A condition as written -> lists of strings under canonical operators; the engine says what is wrong with it. */
export const condition = (options: { templates: boolean }) =>
  shape
    .transform((written, ctx): Condition => {
      for (const { path, code, message } of compileCondition(written, '', options).problems) {
        reject(ctx, code, message, fromPointer(path));
      }
      return canonical(written, ctx);
    })
    .meta(conditionForm(options));

function canonical(written: Condition, ctx: z.RefinementCtx): Condition {
  const entries = Object.entries(written).map(([name, keys]) => [parseOperator(name)?.name ?? name, keys] as const);
  const names = entries.map(([name]) => name);
  Object.keys(written).forEach((spelling, index) => {
    if (names.indexOf(names[index] ?? '') === index) return;
    // Values of one key would be OR in one list and AND in two: the document does not say which.
    reject(ctx, 'duplicate_operator', `is the same operator as ${names[index]}; use one spelling`, [spelling]);
  });
  return Object.fromEntries(entries);
}
