import { setImmediate } from 'node:timers/promises';
import { ADMIN_ACTIONS, documentFindings, markAllowed, type Finding, type LintAnswer } from '@countersign/contracts';
import { lintAmong, type CountersignDocument, type LintFinding } from '@countersign/policy-engine';
import { Injectable } from '@nestjs/common';
import { PolicyConfig } from '../config';
import { loadState, parseStored, READ_LIMIT, type StoredDocument } from '../documents/document-rows';
import { keyOf, type GivenDocument } from '../documents/plan-changes';
import { readDocuments } from '../documents/read-documents';
import { resultingDocuments } from '../documents/resulting-documents';
import { validateDocuments } from '../documents/validate-documents';
import { PolicyDatabase } from '../policy-database';
import { writtenOf } from './lint-change';

/** Lints documents without storing them. */
@Injectable()
export class LintRequest {
  constructor(
    private readonly database: PolicyDatabase,
    private readonly config: PolicyConfig,
  ) {}

  /**
   * Findings of the documents of a request body, seen with the stored ones; of all stored ones when it is empty.
   * @throws ProblemError as apply does for documents that are not valid
   */
  async lint(body: unknown, contentType: string | undefined): Promise<LintAnswer> {
    const stored = (await this.database.transaction(loadState, READ_LIMIT)).documents;
    const given = isEmpty(body) ? storedDocuments(stored) : this.given(readDocuments(body, contentType), stored);
    const documents = resultingDocuments(stored, { given, deleted: [] });
    return { findings: await lintAll(given, lintAmong(documents, ADMIN_ACTIONS)) };
  }

  private given(raw: unknown[], stored: StoredDocument[]): GivenDocument[] {
    const wanted = { remove: [], prune: false, owner: 'api' as const };
    return validateDocuments({ raw, stored, wanted, publicUrl: this.config.publicUrl });
  }
}

function storedDocuments(stored: StoredDocument[]): GivenDocument[] {
  const raws = new Map(stored.map((document) => [keyOf(document), document.raw]));
  return parseStored(stored).parsed.map((document) => ({ document, raw: raws.get(keyOf(document)) }));
}

const isEmpty = (body: unknown): boolean => body === undefined || body === null || body === '';

/** Decisions of the same process wait for a stretch at most. */
const STRETCH_MS = 8;

async function lintAll(given: GivenDocument[], lint: (document: CountersignDocument) => LintFinding[]) {
  const findings: Finding[] = [];
  let end = performance.now() + STRETCH_MS;
  for (const one of given) {
    findings.push(...documentFindings(one), ...markAllowed(lint(one.document), [writtenOf(one)]));
    if (performance.now() < end) continue;
    await setImmediate();
    end = performance.now() + STRETCH_MS;
  }
  return findings;
}
