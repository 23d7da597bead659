/** What an endpoint wants to hear of; an empty list wants everything. */
export interface EventFilter {
  types: readonly string[];
  issuers: readonly string[];
  roles: readonly string[];
  outcomes: readonly string[];
}

/** What an event says of itself; null where it says nothing. */
export interface FilteredEvent {
  type: string;
  issuer: string | null;
  roles: readonly string[];
  outcome: string | null;
}

/** Does the event pass every list: exact values, one of each suffices. */
export function matchesFilter(filter: EventFilter, event: FilteredEvent): boolean {
  const wants = (list: readonly string[], values: readonly (string | null)[]): boolean =>
    list.length === 0 || values.some((value) => value !== null && list.includes(value));
  return (
    wants(filter.types, [event.type]) &&
    wants(filter.issuers, [event.issuer]) &&
    wants(filter.roles, event.roles) &&
    wants(filter.outcomes, [event.outcome])
  );
}
