import type { CloudEvent } from '@countersign/contracts';

/** What the trail can be searched by. */
export interface EventFacts {
  type: string;
  time: string;
  issuer: string | null;
  subject: string | null;
  outcome: string | null;
  class: string | null;
  reason: string | null;
  roles: string[];
  traceId: string | null;
}

/** An index entry has a bound in PostgreSQL (2,704 bytes); this many characters of UTF-8 stay under it. */
const MAX_CHARACTERS = 512;

/** The part of a text that the trail is searched by; both what is stored and what is asked for pass through here. */
export const searchable = (text: string): string =>
  text.length <= MAX_CHARACTERS ? text : [...text].slice(0, MAX_CHARACTERS).join('');

const fact = (value: unknown): string | null => (typeof value === 'string' ? searchable(value) : null);

function rolesOf(decision: unknown): string[] {
  if (typeof decision !== 'object' || decision === null || !('roles' in decision)) return [];
  return Array.isArray(decision.roles) ? decision.roles.flatMap((role: unknown) => fact(role) ?? []) : [];
}

/** Reads the facts off an event of any type; its outcome is what its data says, else the last word of its type. */
export function eventFacts({ type, time, subject, traceparent, data }: CloudEvent): EventFacts {
  return {
    type,
    time,
    issuer: fact(data.issuer),
    subject: fact(subject),
    outcome: fact(data.outcome) ?? fact(type.split('.').at(-2)),
    class: fact(data.class),
    reason: fact(data.reason),
    roles: rolesOf(data.decision),
    traceId: fact(data.traceId) ?? fact(traceparent?.split('-')[1]),
  };
}
