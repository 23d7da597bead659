import { isIP } from 'node:net';
import type { RecordedEvent } from '@countersign/contracts';

/** The version of OCSF that `ocsfEvent` writes: https://schema.ocsf.io/1.3.0/classes/authentication */
const OCSF_VERSION = '1.3.0';

const AUTHENTICATION = { category_uid: 3, category_name: 'Identity & Access Management', class_uid: 3002 };
const LOGON = { activity_id: 1, activity_name: 'Logon' };
const BASE = { category_uid: 0, category_name: 'Uncategorized', class_uid: 0, class_name: 'Base Event' };
const OTHER = 99;
const OAUTH_2 = 6;
const INFORMATIONAL = { severity_id: 1, severity: 'Informational' };
const LOW = { severity_id: 2, severity: 'Low' };
const SUCCESS = { status_id: 1, status: 'Success' };
const FAILURE = { status_id: 2, status: 'Failure' };

/** One attempt each; refusals that are only counted have no user, which an Authentication event needs. */
const ATTEMPT = /^dev\.countersign\.exchange\.(granted|denied|voided)\.v1$/;

type Members = Record<string, unknown>;

/**
 * An event of the trail for systems that take OCSF: an attempt at an exchange as an Authentication event (class 3002,
 * activity Logon), anything else as a Base event. What OCSF has no place for is in `unmapped`, under its own name.
 */
export const ocsfEvent = (event: RecordedEvent): Members =>
  ATTEMPT.test(event.type) ? authentication(event) : baseEvent(event);

function authentication(event: RecordedEvent): Members {
  const { sourceIp, reason, detail, ...unmapped } = event.data;
  const succeeded = unmapped.outcome === 'granted';
  return {
    ...AUTHENTICATION,
    class_name: 'Authentication',
    ...LOGON,
    type_uid: AUTHENTICATION.class_uid * 100 + LOGON.activity_id,
    type_name: 'Authentication: Logon',
    ...(succeeded ? INFORMATIONAL : LOW),
    ...(succeeded ? SUCCESS : FAILURE),
    ...textMember('status_code', reason),
    ...textMember('status_detail', detail),
    ...occurrence(event),
    auth_protocol_id: OAUTH_2,
    auth_protocol: 'OAUTH 2.0',
    is_remote: true,
    service: { name: 'countersign', uid: event.source },
    user: userOf(event),
    ...(typeof sourceIp === 'string' && isIP(sourceIp) > 0 ? { src_endpoint: { ip: sourceIp } } : {}),
    ...sessionOf(unmapped.token, event.source),
    unmapped,
  };
}

const baseEvent = (event: RecordedEvent): Members => ({
  ...BASE,
  activity_id: OTHER,
  activity_name: event.type.split('.').slice(2, 4).join('.'),
  type_uid: BASE.class_uid * 100 + OTHER,
  type_name: 'Base Event: Other',
  ...INFORMATIONAL,
  ...occurrence(event),
  unmapped: { ...(event.subject === undefined ? {} : { subject: event.subject }), ...event.data },
});

function occurrence({ id, type, time, sequence, data }: RecordedEvent): Members {
  return {
    time: Date.parse(time),
    message: [type, data.outcome, data.reason].filter((part) => typeof part === 'string').join(' '),
    metadata: {
      version: OCSF_VERSION,
      product: { name: 'countersign', vendor_name: 'countersign' },
      uid: id,
      event_code: type,
      log_name: 'audit',
      original_time: time,
      sequence: Number(sequence),
      ...textMember('correlation_uid', data.traceId),
    },
  };
}

/** Only what was verified makes somebody a user: the claims of a token that was not are nobody's. */
function userOf({ subject, data }: RecordedEvent): Members {
  const { sub, iss } = isMembers(data.claims) ? data.claims : {};
  if (subject === undefined) return { name: 'unknown', type_id: 0, type: 'Unknown' };
  return {
    uid: subject,
    name: typeof sub === 'string' ? sub : subject,
    ...textMember('domain', iss),
    type_id: OTHER,
    type: 'Workload',
  };
}

function sessionOf(token: unknown, issuer: string): Members {
  if (!isMembers(token)) return {};
  const { jti, exp } = token;
  const expiresAt = typeof exp === 'string' ? Date.parse(exp) : Number.NaN;
  return {
    session: {
      ...textMember('uid', jti),
      issuer,
      ...(Number.isNaN(expiresAt) ? {} : { expiration_time: expiresAt }),
    },
  };
}

const isMembers = (value: unknown): value is Members => typeof value === 'object' && value !== null;

const textMember = (name: string, value: unknown): Members => (typeof value === 'string' ? { [name]: value } : {});
