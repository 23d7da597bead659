import {
  compilePattern,
  isMatchAll,
  matchPattern,
  parseTemplate,
  patternLimits,
  type Pattern,
  type Template,
} from './patterns';
import {
  accept,
  anyTrue,
  refuse,
  type Parsed,
  type TemplateValues,
  type ValueKind,
  type ValueProblem,
} from './value-kind';

// A control character in a claim wants to be read differently elsewhere: in a log, a header, a mail address.
const controls = /[\u0000-\u001f\u007f-\u009f]/;

/** Whether string operators may look at a value at all. */
export const isPlainText = (value: unknown): value is string => typeof value === 'string' && !controls.test(value);

type Folding = 'exact' | 'ignore-case';

/** Only ASCII letters fold: Unicode folding would let look-alikes through (U+212A for k). */
const fold = (text: string, folding: Folding): string =>
  folding === 'exact' ? text : text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

/** Equality of whole strings, code point by code point. */
export function equality(templates: boolean, folding: Folding): ValueKind<Template> {
  return {
    parse: (text) => parseText(text, templates),
    test: (values) => {
      const isOneOf = membership(values.filter(isLiteral).map(([text]) => fold(text, folding)));
      const open = values.filter((template) => !isLiteral(template));
      return (value, valueOf) => {
        if (!isPlainText(value)) return null;
        const folded = fold(value, folding);
        if (isOneOf(folded)) return true;
        const filled = open.map((template) => fill(template, valueOf));
        return anyTrue(filled.map((expected) => (expected === null ? null : fold(expected, folding) === folded)));
      };
    },
  };
}

/** Most lists are short: a set for each of them would cost more memory than it saves time. */
function membership(texts: readonly string[]): (text: string) => boolean {
  if (texts.length <= 8) return (text) => texts.includes(text);
  const known = new Set(texts);
  return (text) => known.has(text);
}

/** Patterns with `*` and `?` over the whole string. */
export function similarity(templates: boolean): ValueKind<Pattern> {
  return {
    parse: (text) => {
      const problem = patternProblem(text);
      if (problem) return { ok: false, problem };
      if (isMatchAll(text)) return refuse('match_all', 'matches everything; use Null to ask whether a claim exists');
      const template = parseText(text, templates);
      return template.ok ? accept(compilePattern(template.value)) : template;
    },
    test: (patterns) => (value, valueOf) =>
      isPlainText(value) ? anyTrue(patterns.map((pattern) => matchPattern(pattern, value, valueOf))) : null,
  };
}

/** What is wrong with a pattern, other than matching everything; null when nothing is. */
export function patternProblem(text: string): ValueProblem | null {
  if (text === '') return { code: 'empty_value', message: 'must not be empty' };
  if (text.length > patternLimits.length) {
    return { code: 'pattern_too_long', message: `must have at most ${patternLimits.length} characters` };
  }
  if (text.split('*').length - 1 > patternLimits.stars) {
    return { code: 'too_many_wildcards', message: `must have at most ${patternLimits.stars} times "*"` };
  }
  return null;
}

function parseText(text: string, templates: boolean): Parsed<Template> {
  if (text === '') return refuse('empty_value', 'must not be empty');
  if (!text.includes('${jwt:')) return accept([text]);
  if (!templates) return refuse('template_not_allowed', '${jwt:…} may only stand in the statements of a Policy');
  const template = parseTemplate(text);
  return template ? accept(template) : refuse('invalid_template', '${jwt:…} is not closed or names no claim');
}

const isLiteral = (template: Template): template is readonly [string] =>
  template.length === 1 && typeof template[0] === 'string';

function fill(template: Template, valueOf: TemplateValues): string | null {
  const parts = template.map((part) => (typeof part === 'string' ? part : valueOf(part.claim)));
  return parts.includes(null) ? null : parts.join('');
}
