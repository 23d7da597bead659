import { lintDocuments } from '@countersign/policy-engine';
import { ADMIN_ACTIONS } from './access';
import { markAllowed } from './allowed-findings';
import { parseDocument, type ParsedDocument } from './documents';
import { crossCheck } from './documents-cross-check';
import { documentFindings } from './documents-findings';
import { isPolicyTest } from './documents-policy-test';
import type { Finding } from './payloads';
import type { DocumentError } from './problems';

/** What is wrong with documents that are seen by themselves, without those that a server has. Never throws. */
export function lintRaw(raws: readonly unknown[]): { errors: DocumentError[]; findings: Finding[] } {
  const errors: DocumentError[] = [];
  const parsed: { index: number; raw: unknown; document: ParsedDocument }[] = [];
  for (const [index, raw] of raws.entries()) {
    if (isPolicyTest(raw)) continue;
    const result = parseDocument(raw);
    if (result.ok) parsed.push({ index, raw, document: result.document });
    else {
      const { kind = null, name = null } = result;
      errors.push(...result.errors.map((error) => ({ document: index, kind, name, ...error })));
    }
  }
  const documents = parsed.map(({ document }) => document);
  const crossed = crossCheck(documents)
    // The Policy may be one that the server has.
    .filter(({ code }) => code !== 'missing_policy')
    .map((error) => ({ ...error, document: parsed[error.document]?.index ?? 0 }));
  const written = parsed.map(({ document: { kind, name }, raw }) => ({ kind, name, raw }));
  const found = lintDocuments(documents, { adminActions: ADMIN_ACTIONS });
  const findings = [...parsed.flatMap(documentFindings), ...markAllowed(found, written)];
  return { errors: [...errors, ...crossed], findings };
}
