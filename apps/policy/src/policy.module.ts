import { Module } from '@nestjs/common';
import { AccessController } from './access/access.controller';
import { EvaluateAccess } from './access/evaluate-access';
import { AnswerDecisions } from './decisions/answer-decisions';
import { DirectoryStatus } from './directory/directory-status';
import { ResourcesDirectory } from './directory/resources-directory';
import { ApplyDocuments } from './documents/apply-documents';
import { ApplyController } from './documents/apply.controller';
import { Resources } from './documents/resources';
import { ResourcesController } from './documents/resources.controller';
import { RestoreRevision } from './documents/restore-revision';
import { RevisionsController } from './documents/revisions.controller';
import { StoredDocuments } from './documents/stored-documents';
import { ExplainAttempt } from './explain/explain-attempt';
import { ExplainController } from './explain/explain.controller';
import { GatherEvidence } from './explain/gather-evidence';
import { VerifyToken } from './explain/verify-token';
import { LintController } from './lint/lint.controller';
import { LintRequest } from './lint/lint-request';
import { PolicyTestsController } from './policy-tests/policy-tests.controller';
import { RunPolicyTests } from './policy-tests/run-policy-tests';
import { ExchangePruning } from './recorded/exchange-pruning';
import { ExchangeWriter } from './recorded/exchange-writer';
import { ForgetSubjects } from './recorded/forget-subjects';
import { RecordExchanges } from './recorded/record-exchanges';
import { RecordReviews } from './recorded/record-reviews';
import { RecordedExchanges } from './recorded/recorded-exchanges';
import { KnownRepositories } from './repository-pins/known-repositories';
import { PinsController } from './repository-pins/pins.controller';
import { RepositoryPinning } from './repository-pins/repository-pinning';
import { SimulateController } from './simulation/simulate.controller';
import { SimulateDocuments } from './simulation/simulate-documents';
import { CompileDocuments } from './snapshot/compile-documents';
import { SchemasController } from './schemas/schemas.controller';
import { CurrentSnapshot } from './snapshot/current-snapshot';
import { FindStale } from './stale/find-stale';
import { LastUses } from './stale/last-uses';
import { StaleController } from './stale/stale.controller';
import { FindWhoCan } from './who-can/find-who-can';
import { WhoCanController } from './who-can/who-can.controller';

/** The decision point and the administration point. Needs PolicyConfig, PolicyDatabase, Bus, AuditStream and AdminAccess. */
@Module({
  controllers: [
    ApplyController,
    ResourcesController,
    RevisionsController,
    SchemasController,
    AccessController,
    ExplainController,
    LintController,
    PolicyTestsController,
    PinsController,
    SimulateController,
    WhoCanController,
    StaleController,
  ],
  providers: [
    StoredDocuments,
    ApplyDocuments,
    DirectoryStatus,
    ResourcesDirectory,
    Resources,
    RestoreRevision,
    KnownRepositories,
    RepositoryPinning,
    CompileDocuments,
    CurrentSnapshot,
    AnswerDecisions,
    EvaluateAccess,
    ExplainAttempt,
    LintRequest,
    GatherEvidence,
    VerifyToken,
    RecordedExchanges,
    RecordReviews,
    SimulateDocuments,
    ExchangeWriter,
    RecordExchanges,
    ExchangePruning,
    ForgetSubjects,
    RunPolicyTests,
    FindWhoCan,
    FindStale,
    LastUses,
  ],
})
export class PolicyModule {}
