import type { CountersignDocument, JwtIssuerDocument, RoleDocument } from '@countersign/policy-engine';
import { pinErrors } from './documents-tenancy';
import type { DocumentError, FieldError } from './problems';

type Known = { issuers: readonly JwtIssuerDocument[]; policies: Pick<ReadonlySet<string>, 'has'> };

/** Validates documents against each other, as the whole set that will be stored; `document` is the index in it. */
export function crossCheck(documents: readonly CountersignDocument[]): DocumentError[] {
  const known: Known = {
    issuers: documents.filter((document) => document.kind === 'JwtIssuer'),
    policies: new Set(documents.filter(({ kind }) => kind === 'Policy').map(({ name }) => name)),
  };
  const ids = new Set<string>();
  const issuers = new Set<string>();
  return documents.flatMap((document, index) => {
    const errors = [
      ...repeated(`${document.kind}/${document.name}`, ids, duplicateDocument),
      ...(document.kind === 'JwtIssuer' ? repeated(document.spec.iss, issuers, duplicateIssuer) : []),
      ...(document.kind === 'Role' ? roleErrors(document, known) : []),
    ];
    return errors.map((error) => ({ document: index, kind: document.kind, name: document.name, ...error }));
  });
}

const duplicateDocument: FieldError = {
  path: '/metadata/name',
  code: 'duplicate_document',
  message: 'another document has this kind and name (namespaces do not tell documents apart)',
};

const duplicateIssuer: FieldError = {
  path: '/spec/iss',
  code: 'duplicate_issuer',
  message: 'another JwtIssuer has this iss',
};

function repeated(id: string, seen: Set<string>, error: FieldError): FieldError[] {
  if (seen.has(id)) return [error];
  seen.add(id);
  return [];
}

/** What is wrong with a Role among the issuers and the names of Policies that there are. */
export function roleErrors(role: RoleDocument, { issuers, policies }: Known): FieldError[] {
  const missing = role.spec.policy.flatMap((name, index) =>
    policies.has(name)
      ? []
      : [{ path: `/spec/policy/${index}`, code: 'missing_policy', message: `there is no Policy named "${name}"` }],
  );
  return [...missing, ...pinErrors(role.spec, issuers)];
}
