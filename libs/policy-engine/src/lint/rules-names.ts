import { skeleton, type LintContext } from './lint-context';
import type { Draft, NameRule, PolicyRule } from './lint-rule';
import { coversPattern } from './pattern-cover';

const unknownAction: PolicyRule = {
  id: 'CS033',
  kind: 'Policy',
  severity: 'error',
  title: 'an action that is hardly spelt as meant',
  example: "action: ['Iam:Wirte']",
  fix: 'Write the action as it is known.',
  lint: ({ spec }, context) =>
    spec.statement.flatMap(({ action, resource }, place) =>
      action.flatMap((text, index) => {
        const path = `/spec/statement/${place}/action/${index}`;
        const isOurs = resource.every((target) => target.startsWith('countersign:'));
        const draft = misspeltAdmin(text, isOurs, context) ?? rareSpelling(text, context);
        return draft ? [{ ...draft, path }] : [];
      }),
    ),
};

/** On `countersign:*` only our own actions mean anything; elsewhere a near miss of one is suspicious. */
function misspeltAdmin(action: string, isOurs: boolean, { adminActions }: LintContext): Omit<Draft, 'path'> | null {
  if (adminActions.some((known) => coversPattern(action, known))) return null;
  const meant = adminActions.find((known) => isNear(action, known));
  if (meant === undefined && !isOurs) return null;
  const fix = meant === undefined ? `The actions on countersign:* are ${adminActions.join(', ')}.` : `Write ${meant}.`;
  const message = `there is no action ${action}: the statement says nothing by it`;
  return { message, fix, severity: isOurs ? 'error' : 'warning' };
}

/** The same but for case, or but for one slip of the hand in a longer word. */
function isNear(written: string, known: string): boolean {
  if (written === known) return false;
  if (written.toLowerCase() === known.toLowerCase()) return true;
  return known.length > 6 && isOneSlip(written, known);
}

/** One letter left out, added, changed, or two of them swapped. */
function isOneSlip(written: string, known: string): boolean {
  const start = [...known].findIndex((letter, index) => letter !== written[index]);
  const at = start < 0 ? known.length : start;
  const rest = written.slice(at);
  const wanted = known.slice(at);
  const swapped = `${wanted[1] ?? ''}${wanted[0] ?? ''}${wanted.slice(2)}`;
  return rest.slice(1) === wanted || rest === wanted.slice(1) || rest.slice(1) === wanted.slice(1) || rest === swapped;
}

/** Spelt otherwise elsewhere in the documents, where it is written more often or in the usual form. */
function rareSpelling(action: string, { actions, actionSpellings }: LintContext): Omit<Draft, 'path'> | null {
  const usual = (text: string): number =>
    (actions.get(text) ?? 0) + (/^[A-Z][A-Za-z0-9]*:(\*|[A-Z][A-Za-z0-9]*)$/.test(text) ? 1_000_000 : 0);
  const others = actionSpellings.get(action.toLowerCase()) ?? [];
  const better = others.find((other) => other !== action && usual(other) > usual(action));
  if (better === undefined) return null;
  return { message: `is written ${better} elsewhere, and case counts`, fix: `Write ${better}.`, severity: 'warning' };
}

const lookAlikes: NameRule = {
  id: 'CS040',
  kind: 'any',
  severity: 'warning',
  title: 'a name that looks like that of another document of its kind',
  example: 'metadata: { name: deploy-l }, beside deploy-1',
  fix: 'Choose a name that nobody takes for the other one.',
  lint: (document, { lookAlikes: known }) =>
    (known.get(skeleton(document)) ?? [])
      .filter(({ name }) => name !== document.name)
      .slice(0, 1)
      .map(({ name }) => ({ path: '/metadata/name', message: `is easily taken for "${name}"` })),
};

export const nameRules: readonly (NameRule | PolicyRule)[] = [unknownAction, lookAlikes];
