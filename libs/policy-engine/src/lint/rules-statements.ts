import { compileCondition } from '../conditions';
import type { PolicyDocument, Statement } from '../documents';
import type { LintContext } from './lint-context';
import type { Draft, PolicyRule } from './lint-rule';
import { coversAll } from './pattern-cover';
import { contradictions } from './rules-conditions';

const pathOf = (index: number): string => `/spec/statement/${index}`;
const nameOf = ({ sid }: Statement, index: number): string => (sid === null ? `statement ${index}` : `"${sid}"`);
const isOpen = ({ condition }: Statement): boolean => condition === null || Object.keys(condition).length === 0;
const covers = (statement: Statement, other: Statement): boolean =>
  coversAll(statement.action, other.action) && coversAll(statement.resource, other.resource);

const repeatedSid: PolicyRule = {
  id: 'CS030',
  kind: 'Policy',
  severity: 'warning',
  title: 'one sid for two statements: the trail cannot tell them apart',
  example: 'statement: [{ sid: read, … }, { sid: read, … }]',
  fix: 'Give each statement a sid of its own.',
  lint: ({ spec }) =>
    spec.statement.flatMap(({ sid }, index) =>
      sid !== null && spec.statement.findIndex((other) => other.sid === sid) < index
        ? [{ path: `${pathOf(index)}/sid`, message: `another statement of this Policy has the sid "${sid}"` }]
        : [],
    ),
};

const addsNothing: PolicyRule = {
  id: 'CS031',
  kind: 'Policy',
  severity: 'warning',
  title: 'a statement that adds nothing to another one of the Policy',
  example: "statement: [{ action: ['Function:*'], … }, { action: ['Function:Read'], … }]",
  fix: 'Delete the statement, or narrow the other one.',
  lint: ({ spec }) =>
    spec.statement.flatMap((statement, index) => {
      const other = spec.statement.findIndex(
        (wider, place) => place !== index && isWider(wider, statement, place < index),
      );
      const wider = spec.statement[other];
      return wider
        ? [{ path: pathOf(index), message: `${nameOf(wider, other)} covers all that ${nameOf(statement, index)} does` }]
        : [];
    }),
};

/** Of two that cover each other the later one is superfluous. */
function isWider(wider: Statement, statement: Statement, earlier: boolean): boolean {
  if (wider.effect !== statement.effect || !isOpen(wider) || !covers(wider, statement)) return false;
  return earlier || !(isOpen(statement) && covers(statement, wider));
}

const shadowed: PolicyRule = {
  id: 'CS032',
  kind: 'Policy',
  severity: 'warning',
  title: 'an Allow that a Deny takes back whole',
  example:
    "statement: [{ effect: Allow, action: ['Function:Delete'], … }, { effect: Deny, action: ['Function:*'], … }]",
  fix: 'Delete one of them, or narrow the Deny.',
  lint: (policy, context) => {
    const denies = [policy, ...companions(policy, context)].flatMap(({ name, spec }) =>
      spec.statement.flatMap((statement, index) =>
        statement.effect === 'Deny' && isOpen(statement) ? [{ name, statement, index }] : [],
      ),
    );
    return policy.spec.statement.flatMap((statement, index) => {
      if (statement.effect !== 'Allow') return [];
      const deny = denies.find((candidate) => covers(candidate.statement, statement));
      if (!deny) return [];
      const where =
        deny.name === policy.name ? 'this Policy' : `Policy "${deny.name}", which every Role with this one has`;
      return [{ path: pathOf(index), message: `${nameOf(deny.statement, deny.index)} of ${where} denies all of it` }];
    });
  },
};

/** Policies that every role has which has this one. */
function companions(policy: PolicyDocument, { rolesOf, policies }: LintContext): PolicyDocument[] {
  const [first, ...others] = (rolesOf.get(policy.name) ?? []).map(({ spec }) => spec.policy);
  return (first ?? [])
    .filter((name) => name !== policy.name && others.every((names) => names.includes(name)))
    .flatMap((name) => policies.get(name) ?? []);
}

/** A namespace or service that the wildcard continues: what comes before it is no whole name. */
const openResource = /^[^:*?]*[^:/*?}]\*|\}\*/;

const openResources: PolicyRule = {
  id: 'CS035',
  kind: 'Policy',
  severity: 'warning',
  title: 'a resource whose wildcard continues the name of the namespace',
  example: "resource: ['staging*']",
  fix: "End the name with its delimiter: 'staging:*'.",
  lint: (policy) =>
    allows(policy).flatMap(({ statement, path }) =>
      statement.resource.flatMap((resource, index) =>
        openResource.test(resource) ? [openText(`${path}/resource/${index}`, resource, '-evil:x')] : [],
      ),
    ),
};

const openActions: PolicyRule = {
  id: 'CS034',
  kind: 'Policy',
  severity: 'warning',
  title: 'an action whose wildcard continues the name of the service',
  example: "action: ['Function*']",
  fix: "End the name with its delimiter: 'Function:*'.",
  lint: (policy) =>
    allows(policy).flatMap(({ statement, path }) =>
      statement.action.flatMap((action, index) =>
        /^[^:*?]+\*/.test(action) ? [openText(`${path}/action/${index}`, action, 'Admin:Delete')] : [],
      ),
    ),
};

const openText = (path: string, text: string, end: string): Draft => ({
  path,
  message: 'the wildcard also stands for the rest of other names that begin so',
  admits: [
    text
      .replace(/\$\{jwt:[^}]*\}/g, 'x')
      .replace('*', end)
      .replaceAll('*', 'x'),
  ],
});

const allows = ({ spec }: PolicyDocument) =>
  spec.statement.flatMap((statement, index) =>
    statement.effect === 'Allow' ? [{ statement, path: pathOf(index) }] : [],
  );

const everything: PolicyRule = {
  id: 'CS036',
  kind: 'Policy',
  severity: 'warning',
  title: 'wildcards that take in the administration of countersign itself',
  example: "action: ['*'], resource: ['*']",
  fix: "Name services and namespaces; for administrators write 'countersign:*' out.",
  lint: (policy) =>
    allows(policy)
      .filter(({ statement: { action, resource } }) => {
        const isNamed = resource.some((text) => text.startsWith('countersign:'));
        return !isNamed && coversAll(action, ['Iam:Write']) && coversAll(resource, ['countersign:*']);
      })
      .map(({ path }) => ({
        path,
        message: 'also allows Iam:Write on countersign:*: whoever holds it can give himself any role',
        admits: ['Iam:Write on countersign:*'],
      })),
};

const neverMet: PolicyRule = {
  id: 'CS037',
  kind: 'Policy',
  severity: 'error',
  title: 'a statement whose conditions nothing can meet together',
  example: 'condition: { StringEqual: { jwt:ref: [main] }, StringLike: { jwt:ref: [v*] } }',
  fix: 'Values of one key are alternatives, keys and operators are not: put the alternatives into one list, or write two statements.',
  lint: ({ spec }) =>
    spec.statement.flatMap(({ condition }, index) =>
      contradictions(compileCondition(condition ?? {}, `${pathOf(index)}/condition`, { templates: true }).checks),
    ),
};

export const statementRules: readonly PolicyRule[] = [
  repeatedSid,
  addsNothing,
  shadowed,
  openActions,
  openResources,
  everything,
  neverMet,
];
