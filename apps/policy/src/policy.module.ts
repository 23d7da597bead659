import { Module } from '@nestjs/common';
import { AccessController } from './access/access.controller';
import { EvaluateAccess } from './access/evaluate-access';
import { AnswerDecisions } from './decisions/answer-decisions';
import { ApplyDirectory } from './documents/apply-directory';
import { ApplyDocuments } from './documents/apply-documents';
import { ApplyController } from './documents/apply.controller';
import { Resources } from './documents/resources';
import { ResourcesController } from './documents/resources.controller';
import { RestoreRevision } from './documents/restore-revision';
import { RevisionsController } from './documents/revisions.controller';
import { RecordedExchanges } from './recorded/recorded-exchanges';
import { CurrentSnapshot } from './snapshot/current-snapshot';

/** The decision point and the administration point. Needs PolicyConfig, PolicyDatabase, Bus, AuditStream and AdminAccess. */
@Module({
  controllers: [ApplyController, ResourcesController, RevisionsController, AccessController],
  providers: [
    ApplyDocuments,
    ApplyDirectory,
    Resources,
    RestoreRevision,
    CurrentSnapshot,
    AnswerDecisions,
    EvaluateAccess,
    RecordedExchanges,
  ],
})
export class PolicyModule {}
