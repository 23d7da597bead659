/** An endpoint that has failed without a single success for this long is disabled: five days. */
export const MAX_FAILING_SECONDS = 5 * 86_400;

export interface EndpointHealth {
  /** Since when every attempt failed, in epoch seconds; null after a success. */
  failingSince: number | null;
  disable: boolean;
}

/** How an endpoint stands after one more attempt; `now` in epoch seconds. */
export function nextEndpointHealth(failingSince: number | null, succeeded: boolean, now: number): EndpointHealth {
  if (succeeded) return { failingSince: null, disable: false };
  const since = failingSince ?? now;
  return { failingSince: since, disable: now - since >= MAX_FAILING_SECONDS };
}
