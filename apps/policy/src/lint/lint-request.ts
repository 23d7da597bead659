import { ADMIN_ACTIONS, documentFindings, markAllowed, type Finding, type LintAnswer } from '@countersign/contracts';
import { lintInSteps, type CountersignDocument } from '@countersign/policy-engine';
import { Injectable } from '@nestjs/common';
import { PolicyConfig } from '../config';
import { rawOf } from '../documents/document-rows';
import type { GivenDocument } from '../documents/plan-changes';
import { readDocuments } from '../documents/read-documents';
import { resultingDocuments } from '../documents/resulting-documents';
import { StoredDocuments, type StoredState } from '../documents/stored-documents';
import { validateDocuments } from '../documents/validate-documents';
import { inStretches } from '../snapshot/in-stretches';
import { writtenOf } from './lint-change';

/** Lints documents without storing them. */
@Injectable()
export class LintRequest {
  constructor(
    private readonly documents: StoredDocuments,
    private readonly config: PolicyConfig,
  ) {}

  /**
   * Findings of the documents of a request body, seen with the stored ones; of all stored ones when it is empty.
   * @throws ProblemError as apply does for documents that are not valid
   */
  async lint(body: unknown, contentType: string | undefined): Promise<LintAnswer> {
    const { documents: stored } = await this.documents.load();
    const isAll = isEmpty(body);
    const given = isAll ? storedDocuments(stored) : await this.given(readDocuments(body, contentType), stored);
    const findings = await lintAll(given, resultingDocuments(stored, { given, deleted: [] }));
    return { findings: [...(isAll ? brokenDocuments(stored) : []), ...findings] };
  }

  private given(raw: unknown[], stored: StoredState['documents']): Promise<GivenDocument[]> {
    const wanted = { remove: [], prune: false, owner: 'api' as const };
    return validateDocuments({ raw, stored, wanted, publicUrl: this.config.publicUrl });
  }
}

const storedDocuments = (stored: StoredState['documents']): GivenDocument[] =>
  [...stored.values()].flatMap(({ document, raw }) => (document === null ? [] : [{ document, raw: rawOf({ raw }) }]));

/** Stored by an older version, or by another hand. */
const brokenDocuments = (stored: StoredState['documents']): Finding[] =>
  [...stored.values()]
    .filter(({ document }) => document === null)
    .map(({ kind, name }) => ({
      rule: 'stored_invalid',
      severity: 'error',
      resource: { kind, name },
      path: '',
      message: 'is stored and not valid: it is left out of every decision',
      admits: [],
      fix: 'Apply it again, or delete it.',
    }));

const isEmpty = (body: unknown): boolean => body === undefined || body === null || body === '';

async function lintAll(given: GivenDocument[], documents: Iterable<CountersignDocument>): Promise<Finding[]> {
  const only = new Set(given.map(({ document }) => document));
  const found = await inStretches(lintInSteps(documents, { only, adminActions: ADMIN_ACTIONS }));
  return [...given.flatMap(documentFindings), ...markAllowed(found, given.map(writtenOf))];
}
