export {
  RETRY_DELAYS_SECONDS,
  nextDeliveryState,
  type AttemptMade,
  type AttemptOutcome,
  type DeliveryState,
} from './delivery-state';
export { MAX_FAILING_SECONDS, nextEndpointHealth, type EndpointHealth } from './endpoint-health';
export { matchesFilter, type EventFilter, type FilteredEvent } from './event-filter';
export { handshakeHeaders, readHandshake, type HandshakeRequest, type HandshakeResult } from './handshake';
export { openFaasMessage, type OpenFaasDelivery } from './openfaas';
export { retryAfterSeconds } from './retry-after';
export { generateSecret } from './secret';
export {
  formatPublicKey,
  signMessage,
  verifyMessage,
  type MessageToSign,
  type ReceivedMessage,
  type Verification,
} from './signature';
