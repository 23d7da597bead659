import type { CloudEvent, ExchangeEventData } from '@countersign/contracts';
import { uuidV7 } from '@countersign/platform';
import { readAttempt, type ExchangeAttempt } from './exchange-attempt';

type Changes = Partial<Omit<ExchangeEventData, 'request'>> & { request?: Partial<ExchangeEventData['request']> };

export const GITHUB = 'https://token.actions.githubusercontent.com';

/** Trusts it, by the name that the events give it; more documents may follow. */
export const GITHUB_ISSUER = `
apiVersion: countersign.dev/v1
kind: JwtIssuer
metadata: { name: github }
spec: { iss: '${GITHUB}', aud: [countersign] }
---`;

export const DAY_MS = 24 * 60 * 60 * 1000;
export const daysAgo = (days: number): Date => new Date(Date.now() - days * DAY_MS);

const decision = { roles: [], shadowRoles: [], policies: [], statements: [], revision: 1 };
const nothing = { audience: [], resource: [], scope: null, roles: null, policies: null, permissions: null };

/** The event of an attempt at an exchange: granted to a job of GitHub unless changed. */
export function exchangeEvent({ request, ...changes }: Changes = {}, time = new Date()): CloudEvent {
  const data: ExchangeEventData = {
    outcome: 'granted',
    door: 'oauth',
    grant: 'token-exchange',
    issuer: 'github',
    class: null,
    reason: null,
    detail: null,
    decision,
    claims: { iss: GITHUB, aud: 'countersign', sub: 'repo:acme/web:ref:refs/heads/main' },
    unverified: null,
    token: null,
    request: { ...nothing, ...request },
    sourceIp: '203.0.113.7',
    traceId: uuidV7(time.getTime()).replaceAll('-', ''),
    requestId: 'r',
    ...changes,
  };
  return {
    specversion: '1.0',
    id: uuidV7(time.getTime()),
    source: 'https://sts.example',
    type: `dev.countersign.exchange.${data.outcome}.v1`,
    time: time.toISOString(),
    datacontenttype: 'application/json',
    data,
  };
}

/** One that policy refused. */
export const refusedEvent = (changes: Changes = {}, time?: Date): CloudEvent =>
  exchangeEvent({ outcome: 'denied', class: 'not authorized', reason: 'no_matching_role', ...changes }, time);

/** One that was refused before anything was verified. */
export const unverifiedEvent = (changes: Changes = {}, time?: Date): CloudEvent =>
  refusedEvent(
    {
      class: 'token not valid',
      reason: 'verify',
      decision: null,
      claims: null,
      unverified: { header: { alg: 'RS256' }, claims: { sub: 'somebody' } },
      ...changes,
    },
    time,
  );

/** As they are read off these events. */
export const attempts = (...events: CloudEvent[]): ExchangeAttempt[] =>
  events.flatMap((event) => readAttempt(event) ?? []);
