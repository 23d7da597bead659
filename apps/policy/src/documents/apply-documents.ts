import {
  documentFindings,
  policyChanged,
  type ApplyAnswer,
  type Finding,
  type ParsedDocument,
} from '@countersign/contracts';
import { AuditStream, Bus } from '@countersign/messaging';
import { ProblemError, countErrors, type Caller } from '@countersign/platform';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { PolicyConfig } from '../config';
import { lintChange } from '../lint/lint-change';
import { PolicyDatabase } from '../policy-database';
import { CurrentSnapshot } from '../snapshot/current-snapshot';
import { appliedEvent } from './applied-event';
import { checkKeys, type IssuerFinding } from './check-issuers';
import { deleteDocuments, lockDocuments, writeDocuments, type DocumentKey, type Owner } from './document-rows';
import { keyOf, planChanges, type GivenDocument, type Plan } from './plan-changes';
import { resultingDocuments } from './resulting-documents';
import { insertRevision, type NewestRevision } from './revision-rows';
import { StoredDocuments, type StoredState } from './stored-documents';
import { validateDocuments } from './validate-documents';

/** Of one statement; waiting for the lock is one, so this is also how long applies queue. */
const WRITE_LIMIT = { limitMs: 5_000 };

/** A wish to change the documents. */
export interface ChangeRequest {
  /** Documents to be stored, as they came out of YAML or JSON. */
  raw: readonly unknown[];
  remove: DocumentKey[];
  prune: boolean;
  /** Who owns what is written, which is also where the change came from. */
  owner: Owner;
  caller: Caller;
  /** The revision whose documents these are again. */
  restoredFrom?: number;
  /** Rules of lint whose errors the change may have. */
  allow?: readonly string[];
  /** Looks at the state that the change would act on, and throws what speaks against it. */
  precondition?: (state: StoredState) => void;
  /** Looks at the documents as they would be, and rejects with what speaks against them. */
  postcondition?: (documents: Iterable<ParsedDocument>, newest: NewestRevision) => Promise<void>;
}

export interface ApplyOptions {
  dryRun: boolean;
  /** Whether an issuer whose keys cannot be used now is a refusal and not just a finding. */
  requireKeys: boolean;
  /** Rules of lint whose errors do not refuse. */
  allow?: readonly string[];
}

interface Prepared {
  state: StoredState;
  given: GivenDocument[];
  plan: Plan;
  lint: Awaited<ReturnType<typeof lintChange>>;
}

interface Committed {
  revision: number;
  results: ApplyAnswer['results'];
  changed: boolean;
}

/** The one way in which documents change: validate, plan, one transaction with its audit event, snapshot, announce. */
@Injectable()
export class ApplyDocuments {
  constructor(
    private readonly database: PolicyDatabase,
    private readonly stored: StoredDocuments,
    private readonly snapshots: CurrentSnapshot,
    private readonly bus: Bus,
    private readonly stream: AuditStream,
    private readonly config: PolicyConfig,
  ) {}

  /** Applies all of the request or nothing, and says what that is and what is odd about it. */
  async apply(wish: ChangeRequest, { dryRun, requireKeys, allow = [] }: ApplyOptions): Promise<ApplyAnswer> {
    const request = { ...wish, allow };
    const preview = await this.prepare(await this.stored.load(), request);
    const keyFindings = await this.checkKeys(preview, { raw: request.raw, required: requireKeys });
    const findings = [...preview.given.flatMap(documentFindings), ...keyFindings, ...preview.lint.findings];
    const { results } = preview.plan;
    if (dryRun) return { revision: preview.state.newest.number, dryRun, results, findings };
    const committed = await this.commit(request, preview);
    return { revision: committed.revision, dryRun, results: committed.results, findings };
  }

  /** Without asking discovery about issuers. What was prepared holds where nothing has changed since. */
  async commit(request: ChangeRequest, preview?: Prepared): Promise<Committed> {
    const write = (manager: EntityManager) => this.write(manager, request, preview);
    const committed = await this.database.transaction(write, WRITE_LIMIT);
    if (committed.changed) {
      await this.snapshots.refresh();
      this.bus.publish(policyChanged, { revision: committed.revision });
    }
    return committed;
  }

  private async prepare(state: StoredState, request: ChangeRequest): Promise<Prepared> {
    const { raw, remove, prune, owner, allow = [], precondition, postcondition } = request;
    precondition?.(state);
    const { documents: stored, newest } = state;
    const wanted = { remove, prune, owner };
    const given = await validateDocuments({ raw, stored, wanted, publicUrl: this.config.publicUrl });
    const plan = planChanges(stored, { ...wanted, given });
    const documents = resultingDocuments(stored, { given, deleted: plan.delete });
    const written = new Set(plan.write.map(keyOf));
    const lint = await lintChange({ documents, given, raw, written, allow });
    await postcondition?.(documents, newest);
    return { state, given, plan, lint };
  }

  private async write(manager: EntityManager, request: ChangeRequest, preview?: Prepared): Promise<Committed> {
    await lockDocuments(manager);
    const now = await this.stored.loadIn(manager);
    const { state, plan, lint } = preview?.state === now ? preview : await this.prepare(now, request);
    const { results, changes } = plan;
    if (changes.length === 0) return { revision: state.newest.number, results, changed: false };
    const { caller, owner: source, restoredFrom = null } = request;
    const applied = { ...caller, source, restoredFrom, changes };
    const revision = await insertRevision(manager, applied);
    await writeDocuments(manager, plan.write, revision);
    await deleteDocuments(manager, plan.delete);
    // Last before the commit: a change that the trail does not have must not stand.
    await this.stream.append(
      'audit',
      appliedEvent(revision, { ...applied, allowed: lint.allowed }, this.config.publicUrl),
    );
    return { revision, results, changed: true };
  }

  /** New and changed issuers only: what was stored before has its state at `/v1/issuers/status`. */
  private async checkKeys(
    { given, plan }: Prepared,
    { raw, required }: { raw: readonly unknown[]; required: boolean },
  ): Promise<Finding[]> {
    const changed = new Set(plan.write.map(keyOf));
    const issuers = given.flatMap(({ document }) =>
      document.kind === 'JwtIssuer' && changed.has(keyOf(document)) ? [document] : [],
    );
    const found = await checkKeys(this.bus, issuers, required);
    refuseIssuers(
      found.filter(({ gravity }) => gravity === 'refused' || (required && gravity === 'unusable')),
      (finding) => raw.indexOf(given.find(({ document }) => keyOf(document) === keyOf(finding.resource))?.raw),
    );
    return found.map(({ finding }) => finding);
  }
}

/** `placeOf` gives the place in the request, which may hold more than documents to be stored. */
function refuseIssuers(refused: IssuerFinding[], placeOf: (finding: Finding) => number): void {
  if (refused.length === 0) return;
  const errors = refused.map(({ finding }) => ({
    document: placeOf(finding),
    ...finding.resource,
    path: finding.path,
    code: finding.rule,
    message: `${finding.message}. ${finding.fix ?? ''}`.trimEnd(),
  }));
  throw new ProblemError('invalid-document', countErrors(errors), { errors });
}
