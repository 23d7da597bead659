import type { Claims } from './decisions';
import type { Platform } from './documents';

/** Events in which somebody else's code or hands reach the job's token; a role must name them to accept them. */
const guardedEvents: Partial<Record<Platform, readonly string[]>> = {
  github: ['pull_request_target', 'workflow_run'],
  circleci: ['ssh-rerun'],
};

/** Everything that `allowedEvents` may name. */
export const guardedEventNames: readonly string[] = Object.values(guardedEvents).flat();

/** Platforms about whose tokens more is checked than about others': events, Entra's tenant, Keycloak's own `typ`. */
export const guardedPlatforms: readonly Platform[] = ['github', 'circleci', 'entra', 'keycloak'];

/** The guarded event a token was issued in; null when it was none. */
export function guardedEvent(platform: Platform, claims: Claims): string | null {
  if (platform === 'github') {
    const { event_name: event = '' } = claims;
    // What is no event's name may be any of them: the one that needs the most trust.
    if (typeof event !== 'string') return 'pull_request_target';
    return guardedEvents.github?.includes(event) ? event : null;
  }
  if (platform === 'circleci') {
    const rerun = claims['oidc.circleci.com/ssh-rerun'];
    return [undefined, false, 'false'].includes(rerun as boolean) ? null : 'ssh-rerun';
  }
  return null;
}
