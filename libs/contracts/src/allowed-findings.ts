import type { DocumentKind } from '@countersign/policy-engine';
import type { Finding } from './payloads';

/** Annotation of a document that names rules of lint whose errors are known and meant: `CS003`, or several with commas. */
export const ALLOW_ANNOTATION = 'countersign.dev/allow';

interface Written {
  kind: DocumentKind;
  name: string;
  raw: unknown;
}

/** Rule ids as they are listed in a query, an option or an annotation. */
export const ruleList = (text: string): string[] =>
  text
    .split(',')
    .map((rule) => rule.trim())
    .filter((rule) => rule !== '');

/** The rules that a document allows for itself. */
export function rulesAllowedBy(raw: unknown): string[] {
  const { metadata } = (raw ?? {}) as { metadata?: { annotations?: Record<string, unknown> } };
  const text = metadata?.annotations?.[ALLOW_ANNOTATION];
  return typeof text === 'string' ? ruleList(text) : [];
}

/** The findings, with `allowed` on the errors that the request or the document itself allows. */
export function markAllowed(
  findings: readonly Finding[],
  documents: readonly Written[],
  allow: readonly string[] = [],
): Finding[] {
  const annotated = new Map(documents.map(({ kind, name, raw }) => [`${kind}/${name}`, rulesAllowedBy(raw)]));
  return findings.map((finding) => {
    const { rule, severity, resource } = finding;
    const own = annotated.get(`${resource.kind}/${resource.name}`) ?? [];
    return severity === 'error' && [...allow, ...own].includes(rule) ? { ...finding, allowed: true as const } : finding;
  });
}
