import type { CountersignDocument, JwtIssuerDocument, PolicyDocument, RoleDocument } from '../documents';
import { eachInSteps, type Steps } from '../steps';

/** The documents seen together. */
export interface LintContext {
  /** Actions of countersign's own administration. */
  adminActions: readonly string[];
  /** By `iss`, enabled ones before disabled ones. */
  issuers: ReadonlyMap<string, JwtIssuerDocument>;
  policies: ReadonlyMap<string, PolicyDocument>;
  /** Enabled roles by the linted policies they name. */
  rolesOf: ReadonlyMap<string, readonly RoleDocument[]>;
  /** How often each action is written, in all policies. */
  actions: ReadonlyMap<string, number>;
  /** Spellings of actions that differ in nothing but case. */
  actionSpellings: ReadonlyMap<string, readonly string[]>;
  /** Documents of one kind whose names look like that of a linted one, itself included. */
  lookAlikes: ReadonlyMap<string, readonly CountersignDocument[]>;
}

interface LintedDocuments {
  /** Documents that findings are asked of. */
  linted: Iterable<CountersignDocument>;
  adminActions: readonly string[];
}

/** Among many documents, the look at all of them takes longest, so it is one, in steps, and for what is linted alone. */
export function* lintContext(
  documents: Iterable<CountersignDocument>,
  { linted, adminActions }: LintedDocuments,
): Steps<LintContext> {
  const { issuers, policies, rolesOf, lookAlikes } = yield* lookAround(documents, linted);
  const actions = once(() => countActions(policies));
  const spellings = once(() => group([...actions().keys()].map((action) => [action.toLowerCase(), action] as const)));
  return {
    adminActions,
    issuers: byIss(issuers),
    policies: new Map(policies.map((policy) => [policy.name, policy])),
    rolesOf,
    lookAlikes,
    get actions() {
      return actions();
    },
    get actionSpellings() {
      return spellings();
    },
  };
}

function* lookAround(documents: Iterable<CountersignDocument>, linted: Iterable<CountersignDocument>) {
  const issuers: JwtIssuerDocument[] = [];
  const policies: PolicyDocument[] = [];
  const rolesOf = new Map<string, RoleDocument[]>();
  const lookAlikes = new Map<string, CountersignDocument[]>();
  yield* eachInSteps(linted, (document) => {
    lookAlikes.set(skeleton(document), []);
    if (document.kind === 'Policy') rolesOf.set(document.name, []);
  });
  if (lookAlikes.size === 0) return { issuers, policies, rolesOf, lookAlikes };
  yield* eachInSteps(documents, (document) => {
    lookAlikes.get(skeleton(document))?.push(document);
    if (document.kind === 'JwtIssuer') issuers.push(document);
    else if (document.kind === 'Policy') policies.push(document);
    else if (!document.spec.disabled) for (const name of document.spec.policy) rolesOf.get(name)?.push(document);
  });
  return { issuers, policies, rolesOf, lookAlikes };
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

function byIss(issuers: JwtIssuerDocument[]): Map<string, JwtIssuerDocument> {
  const enabledLast = issuers.toSorted((one, other) => Number(other.spec.disabled) - Number(one.spec.disabled));
  return new Map(enabledLast.map((issuer) => [issuer.spec.iss, issuer]));
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
