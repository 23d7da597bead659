export { isAddressRange } from './addresses';
export { parseKey } from './attributes';
export { checkPattern } from './compile-policy';
export { compileCondition, escapePointer, jsonPointer, type Check, type CompiledCondition } from './conditions';
export { compileInSteps, compileSnapshot, type Snapshot, type SnapshotInput } from './compile-snapshot';
export { decideExchange } from './decide-exchange';
export { decideVouchedSubject } from './decide-vouched-subject';
export {
  exchangeReasons,
  type Claims,
  type DeterminingStatement,
  type EngineError,
  type ExchangeDecision,
  type ExchangeReason,
  type ExchangeRequest,
  type Obligations,
  type PermissionDecision,
  type PermissionRequest,
  type StatementReference,
  type Subject,
  type VouchedSubjectDecision,
  type VouchedSubjectRequest,
} from './decisions';
export { applyEdit } from './explain/apply-edit';
export { explainExchange, type ExplainOptions } from './explain/explain-exchange';
export { explainPermission } from './explain/explain-permission';
export type {
  DocumentEdit,
  ExchangeExplanation,
  ExplainedCheck,
  ExplainedRole,
  ExplainedStatement,
  PermissionExplanation,
} from './explain/explanation';
export { editNormalised, findNearestMiss, isAdmittedAfter, type NearestMiss } from './explain/nearest-miss';
export { withRole } from './explain/with-role';
export {
  platforms,
  type Condition,
  type CountersignDocument,
  type DocumentKind,
  type JwtIssuerDocument,
  type JwtIssuerSpec,
  type Platform,
  type PolicyDocument,
  type PolicySpec,
  type RepositoryPrincipal,
  type RoleDocument,
  type RoleSpec,
  type Statement,
} from './documents';
export { evaluatePermission } from './evaluate-permission';
export { guardedEventNames, guardedPlatforms } from './guarded-events';
export { operatorNames, operatorSpellings, parseOperator, type Operator } from './operators';
export { lintDocuments, lintInSteps, type LintOptions } from './lint/lint-documents';
export { type LintFinding, type Severity } from './lint/lint-findings';
export { narrowToken, type NarrowTokenDecision, type NarrowTokenRequest } from './narrow-token';
export { firstNotGranted, type GrantedPermissionsRequest } from './permissions';
export { permissionRequest, type PermissionQuestion } from './permission-request';
export { permits, type Permission } from './permits';
export { commonCondition, withIssuer } from './shorthand/expand-repository';
export { parseRepository, type ParsedRepository } from './shorthand/parse-repository';
export { pinKey, type RepositoryPin, type RepositoryPins } from './shorthand/repository-pins';
export { changeClaim } from './policy-test/claim-edits';
export {
  nearMisses,
  scoreNearMisses,
  type NearMiss,
  type NearMissScore,
  type SlippedNearMiss,
} from './policy-test/near-misses';
export type {
  ActualOutcome,
  ExpectedOutcome,
  Mismatch,
  PolicyTest,
  PolicyTestCase,
  PolicyTestResult,
} from './policy-test/policy-test';
export { runPolicyTest } from './policy-test/run-policy-test';
export { rolesThatLet, type SeenIdentity } from './who-can/identity-reach';
export { whoCan, type PossibleDenial, type ReachingRole } from './who-can/who-can';
export { eachInSteps, type Steps } from './steps';
export { lintRules } from './lint/lint-rules';
