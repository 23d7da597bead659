import { roleErrors, type DocumentError, type FieldError, type ParsedDocument } from '@countersign/contracts';
import {
  eachInSteps,
  type CountersignDocument,
  type JwtIssuerDocument,
  type PolicyDocument,
  type RoleDocument,
  type Steps,
} from '@countersign/policy-engine';
import type { DocumentKey } from './document-rows';
import { keyOf } from './plan-changes';
import type { StoredState } from './stored-documents';

type Stored = StoredState['documents'];

/** What a change does to the stored documents. */
export interface ChangedDocuments {
  written: readonly ParsedDocument[];
  removed: readonly DocumentKey[];
  /** Policies that did not pass: a Role that names one is not to blame for it. */
  failedPolicies: readonly PolicyDocument[];
}

/** What the written documents have to be checked against: the other issuers, and the Policies that they name. */
export function* neighboursOf(stored: Stored, change: ChangedDocuments): Steps<CountersignDocument[]> {
  const { written, failedPolicies } = change;
  const replaced = replacedBy(change);
  const named = new Set(written.flatMap((document) => (document.kind === 'Role' ? document.spec.policy : [])));
  const policies = [...named].flatMap((name) => {
    const key = keyOf({ kind: 'Policy', name });
    return replaced.has(key) ? [] : (stored.get(key)?.document ?? []);
  });
  return [...(yield* issuersAfter(stored, replaced)), ...policies, ...failedPolicies];
}

const replacedBy = ({ written, removed }: ChangedDocuments): Set<string> =>
  new Set([...written, ...removed].map(keyOf));

function* issuersAfter(stored: Stored, replaced: ReadonlySet<string>): Steps<JwtIssuerDocument[]> {
  const issuers: JwtIssuerDocument[] = [];
  yield* eachInSteps(stored, ([key, { document }]) => {
    if (document?.kind === 'JwtIssuer' && !replaced.has(key)) issuers.push(document);
  });
  return issuers;
}

/** An error of a stored document. */
export type StoredError = Omit<DocumentError, 'document'>;

/** Errors of stored Roles that are there because of this change: a Policy goes, or an issuer gets pins. */
export function* brokenRoles(stored: Stored, change: ChangedDocuments): Steps<StoredError[]> {
  const isAffected = affectedBy(stored, change);
  const errors: StoredError[] = [];
  if (isAffected === null) return errors;
  const replaced = replacedBy(change);
  const before = yield* surroundingsOf(stored, new Set(), []);
  const after = yield* surroundingsOf(stored, replaced, [...change.written, ...change.failedPolicies]);
  yield* eachInSteps(stored, ([key, { document }]) => {
    if (document?.kind !== 'Role' || replaced.has(key) || !isAffected(document)) return;
    const known = new Set(roleErrors(document, before).map(identity));
    const { kind, name } = document;
    const broken = roleErrors(document, after).filter((error) => !known.has(identity(error)));
    errors.push(...broken.map((error) => ({ kind, name, ...error })));
  });
  return errors;
}

const identity = ({ path, code }: FieldError): string => `${path} ${code}`;

/** Which stored Roles the change can break; null: none, as nearly always. */
function affectedBy(stored: Stored, { written, removed }: ChangedDocuments): ((role: RoleDocument) => boolean) | null {
  const gone = new Set(removed.filter(({ kind }) => kind === 'Policy').map(({ name }) => name));
  const pinning = written.flatMap((document) =>
    document.kind === 'JwtIssuer' && getsPins(document, stored.get(keyOf(document))?.document) ? document.spec.iss : [],
  );
  if (gone.size + pinning.length === 0) return null;
  return ({ spec: { policy, condition } }) =>
    policy.some((name) => gone.has(name)) ||
    pinning.some((iss) => condition['StringEqual']?.['jwt:iss']?.includes(iss) ?? false);
}

function getsPins({ spec }: JwtIssuerDocument, before: CountersignDocument | null | undefined): boolean {
  const known = before?.kind === 'JwtIssuer' && before.spec.iss === spec.iss ? before.spec.pins : [];
  return spec.pins.some((pin) => !known.includes(pin));
}

/** What a Role is checked against: the stored documents that are not replaced, and the written ones. */
function* surroundingsOf(stored: Stored, replaced: ReadonlySet<string>, written: readonly CountersignDocument[]) {
  const policies = new Set(written.flatMap(({ kind, name }) => (kind === 'Policy' ? name : [])));
  const isStored = (key: string): boolean => !replaced.has(key) && (stored.get(key)?.document ?? null) !== null;
  return {
    issuers: [
      ...(yield* issuersAfter(stored, replaced)),
      ...written.filter((document) => document.kind === 'JwtIssuer'),
    ],
    policies: { has: (name: string) => policies.has(name) || isStored(keyOf({ kind: 'Policy', name })) },
  };
}
