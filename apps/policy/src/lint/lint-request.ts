import { setImmediate } from 'node:timers/promises';
import { markAllowed, type LintAnswer } from '@countersign/contracts';
import { lintAmong, lintDocuments, type CountersignDocument, type LintFinding } from '@countersign/policy-engine';
import { Injectable } from '@nestjs/common';
import { PolicyConfig } from '../config';
import { loadState, parseStored, READ_LIMIT } from '../documents/document-rows';
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
    if (isEmpty(body)) return { findings: markAllowed(await lintAll(parseStored(stored).parsed), stored) };
    const raw = readDocuments(body, contentType);
    const wanted = { remove: [], prune: false, owner: 'api' as const };
    const given = validateDocuments({ raw, stored, wanted, publicUrl: this.config.publicUrl });
    const documents = resultingDocuments(stored, { given, deleted: [] });
    const findings = lintDocuments(documents, { only: new Set(given.map(({ document }) => document)) });
    return { findings: markAllowed(findings, given.map(writtenOf)) };
  }
}

const isEmpty = (body: unknown): boolean => body === undefined || body === null || body === '';

/** Decisions of the same process wait for a stretch at most. */
const STRETCH_MS = 8;

async function lintAll(documents: readonly CountersignDocument[]): Promise<LintFinding[]> {
  const findings: LintFinding[] = [];
  const lint = lintAmong(documents);
  let end = performance.now() + STRETCH_MS;
  for (const document of documents) {
    findings.push(...lint(document));
    if (performance.now() < end) continue;
    await setImmediate();
    end = performance.now() + STRETCH_MS;
  }
  return findings;
}
