export { AdminAccess, AdminGuard, Caller, Public, RequireAction } from './admin.guard';
export { Clock } from './clock';
export { createEvent, subjectText, uuidV7, type EventInput } from './event';
export { Schedule } from './schedule';
export { Gatherer, type GathererOptions } from './gatherer';
export { Readiness, type HealthReport } from './health';
export { Logger, type LogFields } from './logger';
export { Metrics } from './metrics';
export {
  ApiAcceptedResponse,
  ApiBearerAuth,
  ApiBody,
  ApiConsumes,
  ApiCreatedResponse,
  ApiExcludeEndpoint,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiProduces,
  ApiQuery,
  ApiResponse,
  ApiTags,
  describeModule,
  jsonBody,
} from './openapi';
export { fieldErrors, parseBody, refuseFields } from './parse-body';
export { ProblemError, countErrors } from './problem';
export { UnavailableError, type DependencyName, type Resource } from './resource';
export { endOnConfigError, runService } from './run';
export { PurposeSeal, SealError, derivePurposeKey, ed25519Key, seal, unseal, type SealPurpose } from './seal';
export { startService, type Provided, type RunningService, type ServiceOptions } from './service';
export { pooledRandom } from './pooled-random';
export { carriedTraceId, newTrace, traceFromHeaders, traceparent, type CarriedTrace, type Trace } from './trace';
export {
  ConfigError,
  ServiceConfig,
  VARIABLES,
  configOf,
  readVariables,
  type Environment,
  type Values,
} from './variables';
export { isOlderThan } from './versions';
export { VerifiedTokens } from './verified-tokens';
