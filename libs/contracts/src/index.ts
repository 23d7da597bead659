export { ADMIN_ACTIONS, ADMIN_RESOURCE, type AdminAction } from './access';
export {
  jsonPointer,
  type DocumentKind,
  type ExplainedCheck,
  type PossibleDenial,
  type ReachingRole,
} from '@countersign/policy-engine';
export { parseDocument, type ParseResult, type ParsedDocument } from './documents';
export { documentJsonSchema, jsonSchemaNames } from './documents-json-schema';
export { crossCheck, roleErrors } from './documents-cross-check';
export { documentFindings } from './documents-findings';
export { ALLOW_ANNOTATION, markAllowed, ruleList, rulesAllowedBy } from './allowed-findings';
export { lintRaw } from './lint-raw';
export { isPolicyTest, parsePolicyTest, type ParsePolicyTestResult } from './documents-policy-test';
export type { PolicyTestCaseAnswer, PolicyTestsAnswer } from './policy-test-payloads';
export type { ErasureAnswer } from './erasure-payloads';
export {
  AUDIT_STREAMS,
  EVENT_TYPES,
  cloudEventSchema,
  eventSubject,
  exchangeEventDataSchema,
  type AuditStreamName,
  type CloudEvent,
  type EventType,
  type ExchangeEventData,
  type DeliveredEvent,
  type RecordedEvent,
} from './events';
export type { ExplainAnswer, ExplainedOutcome, ExplainStage, NearestMissAnswer } from './explain-payloads';
export {
  authorizeAdmin,
  checkIssuers,
  checkToken,
  decideExchange,
  getIssuerKeys,
  forgetSubject,
  getVerificationKeys,
  issuerKeysChanged,
  issuerRegistrationSchema,
  listIssuers,
  narrowToken,
  policyChanged,
  repositoryPinsChanged,
  revocationsChanged,
  trustedIssuerSchema,
  verificationKeysChanged,
  type AnnouncementContract,
  type DecideExchangeRequest,
  type ExchangeDecisionMessage,
  type IssuerKeys,
  type IssuerProblem,
  type IssuerRegistration,
  type RequestContract,
  type TokenCheck,
  type TokenCheckAnswer,
  type TrustedIssuer,
} from './messages';
export {
  BAD_CREDENTIAL_CODE,
  GRANT_TYPES,
  REFUSAL_CLASSES,
  type GrantName,
  type GrantType,
  type OAuthErrorBody,
  type OAuthErrorCode,
  type RefusalClass,
} from './oauth-errors';
export type {
  ApplyAnswer,
  DeliveryAnswer,
  Finding,
  IntrospectionAnswer,
  IssuerStatus,
  LintAnswer,
  Page,
  RevocationAnswer,
  RevisionAnswer,
  SigningKeyAnswer,
  SigningKeyRotationAnswer,
  WebhookAnswer,
  RotatedSecretAnswer,
} from './payloads';
export type { PinAnswer } from './pin-payloads';
export type { DocumentChange, RevisionDetailAnswer } from './revision-payloads';
export { tokenCheck } from './token-check';
export {
  PROBLEMS,
  problemType,
  type DocumentError,
  type FieldError,
  type ProblemBody,
  type ProblemCode,
} from './problems';
export { REFUSAL_CLASS, type RefusalReason } from './refusals';
export { permissionsSchema, type Permission } from './permissions';
export type { SimulatedChange, SimulatedGroup, SimulationAnswer } from './simulate-payloads';
export type { StaleAnswer, StaleItem } from './stale-payloads';
export type { WhoCanAnswer, WhoCanIdentity } from './who-can-payloads';
