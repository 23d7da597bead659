import type { Comparison } from './operators';
import { equality, similarity } from './text-tests';
import { addresses, booleans, dates, numbers, presence } from './typed-tests';
import { compileKind, type CompiledValues } from './value-kind';

const compilers: Record<Comparison, (values: readonly string[], templates: boolean) => CompiledValues> = {
  equal: (values, templates) => compileKind(equality(templates, 'exact'), values),
  'equal-ignore-case': (values, templates) => compileKind(equality(templates, 'ignore-case'), values),
  like: (values, templates) => compileKind(similarity(templates), values),
  'numeric-equal': (values) =>
    compileKind(
      numbers((value, limit) => value === limit),
      values,
    ),
  'numeric-less': (values) =>
    compileKind(
      numbers((value, limit) => value < limit),
      values,
    ),
  'numeric-less-equal': (values) =>
    compileKind(
      numbers((value, limit) => value <= limit),
      values,
    ),
  'numeric-greater': (values) =>
    compileKind(
      numbers((value, limit) => value > limit),
      values,
    ),
  'numeric-greater-equal': (values) =>
    compileKind(
      numbers((value, limit) => value >= limit),
      values,
    ),
  bool: (values) => compileKind(booleans, values),
  address: (values) => compileKind(addresses, values),
  'date-less': (values) =>
    compileKind(
      dates((value, limit) => value < limit),
      values,
    ),
  'date-greater': (values) =>
    compileKind(
      dates((value, limit) => value > limit),
      values,
    ),
  null: (values) => compileKind(presence, values),
};

/** Compiles the values of one operator into one test (values OR), and says what is wrong with which value. */
export const compileValues = (comparison: Comparison, values: readonly string[], templates: boolean): CompiledValues =>
  compilers[comparison](values, templates);
