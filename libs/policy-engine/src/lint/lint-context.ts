import type { CountersignDocument, JwtIssuerDocument, PolicyDocument, RoleDocument } from '../documents';

/** The documents seen together. */
export interface LintContext {
  /** Actions of countersign's own administration. */
  adminActions: readonly string[];
  /** By `iss`, enabled ones before disabled ones. */
  issuers: ReadonlyMap<string, JwtIssuerDocument>;
  policies: ReadonlyMap<string, PolicyDocument>;
  /** Enabled roles by the policies they name. */
  rolesOf: ReadonlyMap<string, readonly RoleDocument[]>;
  /** How often each action is written, in all policies. */
  actions: ReadonlyMap<string, number>;
  /** Spellings of actions that differ in nothing but case. */
  actionSpellings: ReadonlyMap<string, readonly string[]>;
  /** Documents of one kind whose names look the same. */
  lookAlikes: ReadonlyMap<string, readonly CountersignDocument[]>;
}

/** What is only asked for by some rules is made when the first one asks. */
export function lintContext(documents: readonly CountersignDocument[], adminActions: readonly string[]): LintContext {
  const policies = documents.filter((document) => document.kind === 'Policy');
  const actions = once(() => countActions(policies));
  const spellings = once(() => group([...actions().keys()].map((action) => [action.toLowerCase(), action] as const)));
  const roles = once(() => rolesByPolicy(documents));
  const lookAlikes = once(() => group(documents.map((document) => [skeleton(document), document] as const)));
  return {
    adminActions,
    issuers: issuersByIss(documents),
    policies: new Map(policies.map((policy) => [policy.name, policy])),
    get rolesOf() {
      return roles();
    },
    get actions() {
      return actions();
    },
    get actionSpellings() {
      return spellings();
    },
    get lookAlikes() {
      return lookAlikes();
    },
  };
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

function issuersByIss(documents: readonly CountersignDocument[]): Map<string, JwtIssuerDocument> {
  const issuers = documents.filter((document) => document.kind === 'JwtIssuer');
  issuers.sort((one, other) => Number(other.spec.disabled) - Number(one.spec.disabled));
  return new Map(issuers.map((issuer) => [issuer.spec.iss, issuer]));
}

function rolesByPolicy(documents: readonly CountersignDocument[]): Map<string, RoleDocument[]> {
  const roles = documents.filter((document) => document.kind === 'Role').filter(({ spec }) => !spec.disabled);
  return group(roles.flatMap((role) => role.spec.policy.map((name) => [name, role] as const)));
}

function countActions(policies: readonly PolicyDocument[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { spec } of policies) {
    for (const action of spec.statement.flatMap((statement) => statement.action)) {
      counts.set(action, (counts.get(action) ?? 0) + 1);
    }
  }
  return counts;
}

function group<K, V>(entries: readonly (readonly [K, V])[]): Map<K, V[]> {
  const grouped = new Map<K, V[]>();
  for (const [key, value] of entries) {
    const list = grouped.get(key);
    if (list) list.push(value);
    else grouped.set(key, [value]);
  }
  return grouped;
}

/** The same for names that people mistake for each other; names are lower case ASCII. */
export const skeleton = ({ kind, name }: CountersignDocument): string =>
  `${kind}/${name.replaceAll(/[-.]+/g, '-').replaceAll('1', 'l').replaceAll('0', 'o').replaceAll('rn', 'm').replaceAll('vv', 'w')}`;
