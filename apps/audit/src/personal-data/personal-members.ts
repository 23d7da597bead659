import type { CloudEvent, EventType } from '@countersign/contracts';
import { subjectText } from '@countersign/platform';
import { memberAt } from '@countersign/transparency-log';
import { searchable } from '../trail/event-facts';

/** Whose data an event holds. */
export interface DataSubject {
  /** `<issuer>:<sub>`, as events have it. */
  subject: string;
  /** Whether the token was: what strangers claim to be has nothing in common with who is it. */
  isVerified: boolean;
}

/** Events about what a person or a job did. Others are about documents, keys and endpoints. */
const TYPES: ReadonlySet<EventType> = new Set<EventType>([
  'dev.countersign.exchange.granted.v1',
  'dev.countersign.exchange.denied.v1',
  'dev.countersign.exchange.voided.v1',
  'dev.countersign.decision.denied.v1',
  'dev.countersign.token.revoked.v1',
]);

/** JSON Pointers of the personal members of such events, where they have them. A `detail` may quote claims. */
export const PERSONAL_MEMBERS = [
  '/subject',
  '/data/claims',
  '/data/unverified/header',
  '/data/unverified/claims',
  '/data/detail',
  '/data/subject/id',
  '/data/sourceIp',
];

/** Whose personal data it holds; null when it holds none, or nobody knows whose. */
export function dataSubjectOf(event: CloudEvent): DataSubject | null {
  if (!TYPES.has(event.type)) return null;
  if (event.subject !== undefined) return { subject: searchable(event.subject), isVerified: true };
  const sub = memberAt(event, '/data/unverified/claims/sub');
  const issuer = event.data.issuer ?? memberAt(event, '/data/unverified/claims/iss');
  if (typeof sub !== 'string' || typeof issuer !== 'string') return null;
  return { subject: subjectName(issuer, sub), isVerified: false };
}

/** What events call the subject `sub` of an issuer, as far as it is searched by. */
export const subjectName = (issuer: string, sub: string): string => searchable(subjectText(`${issuer}:${sub}`));
