import type { CloudEvent } from '@countersign/contracts';
import { matchesFilter, type EventFilter } from '@countersign/webhooks';
import type { EntityManager } from 'typeorm';
import { eventFacts } from '../trail/event-facts';

export type MatchingEndpoint = EventFilter & { id: string };

const TEST = 'dev.countersign.webhook.test.v1';

/** The endpoints as of this transaction, kept from being deleted before it ends. */
export const enabledEndpoints = (manager: EntityManager): Promise<MatchingEndpoint[]> =>
  manager.query<MatchingEndpoint[]>(`
    SELECT id, types, issuers, roles, outcomes FROM audit.webhook_endpoint
    WHERE disabled_reason IS NULL ORDER BY position FOR KEY SHARE`);

/**
 * Which endpoints an event goes to. A test goes to the one it names, whatever its filter; other events about an
 * endpoint go to all the others, since their own could miss them by a hair at creation and always at the end.
 */
export function wantedBy(event: CloudEvent): (endpoint: MatchingEndpoint) => boolean {
  const { webhookId } = event.data;
  if (event.type === TEST) return ({ id }) => id === webhookId;
  const facts = eventFacts(event);
  return (endpoint) => endpoint.id !== webhookId && matchesFilter(endpoint, facts);
}
