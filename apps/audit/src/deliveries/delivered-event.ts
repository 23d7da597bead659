import type { DeliveredEvent, RecordedEvent } from '@countersign/contracts';
import { canonicalJson, leafHash, nodeHash, type Hash } from '@countersign/transparency-log';

/** Where a delivery stands among those of its endpoint. */
export interface ChainLink {
  /** Counts from 1, without a gap. */
  endpointSequence: string;
  chainHead: Hash;
}

/** The head before the first delivery of an endpoint. */
export const EMPTY_CHAIN: Hash = Buffer.alloc(32);

/**
 * The head after one more event: a receiver that computes the same from what it got has missed nothing, and got it in
 * this order.
 */
export const nextChainHead = (head: Hash, event: RecordedEvent): Hash => nodeHash(head, chainLeaf(event));

/** What an event adds to every chain that it is in. */
export const chainLeaf = (event: RecordedEvent): Hash => leafHash(canonicalJson(event));

/** The body of a delivery: the event as recorded, and its place among the endpoint's own as CloudEvents extensions. */
export function deliveredEvent({ data, ...event }: RecordedEvent, link: ChainLink | null): DeliveredEvent {
  if (link === null) return { ...event, data };
  const { endpointSequence: endpointsequence, chainHead } = link;
  return { ...event, endpointsequence, chainhead: chainHead.toString('base64'), data };
}
