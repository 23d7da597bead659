import type { RecordedEvent } from '@countersign/contracts';
import { uuidV7 } from '@countersign/platform';
import { nodeHash, type Hash } from '@countersign/transparency-log';
import type { EntityManager } from 'typeorm';
import { wantedBy, type MatchingEndpoint } from '../webhooks/endpoint-matching';
import { chainLeaf, EMPTY_CHAIN, type ChainLink } from './delivered-event';

const INSERT = `
  INSERT INTO audit.delivery
    (id, webhook_id, event_id, event_sequence, event_type, status, next_attempt_at, created_at, endpoint_sequence,
      chain_head)
  SELECT id, webhook_id, event_id, event_sequence, event_type, 'pending', $2, $2, endpoint_sequence,
    decode(chain_head, 'base64')
  FROM jsonb_to_recordset($1::jsonb) AS i
    (id uuid, webhook_id uuid, event_id text, event_sequence bigint, event_type text, endpoint_sequence bigint,
      chain_head text)`;

interface Chain {
  deliveries: string;
  chainHead: Buffer | null;
}

/** Queues events that are not queued for these endpoints yet, in their order; resolves with how many deliveries it made. */
export async function insertDeliveries(
  manager: EntityManager,
  events: readonly RecordedEvent[],
  endpoints: readonly MatchingEndpoint[],
  now: number,
): Promise<number> {
  const candidates = events.map((event) => new Candidate(event));
  let made = 0;
  for (const endpoint of endpoints) {
    const wanted = candidates.filter(({ isWanted }) => isWanted(endpoint));
    if (wanted.length === 0) continue;
    const links = await extendChain(manager, endpoint.id, wanted);
    const rows = wanted.map(({ event }, index) => asRow(event, endpoint.id, links[index] as ChainLink, uuidV7(now)));
    await manager.query(INSERT, [JSON.stringify(rows), new Date(now)]);
    made += rows.length;
  }
  return made;
}

/** An event, and what is the same of it for every endpoint: found out once, and hashed only when somebody wants it. */
class Candidate {
  readonly isWanted: (endpoint: MatchingEndpoint) => boolean;
  private known: Hash | undefined;

  constructor(readonly event: RecordedEvent) {
    this.isWanted = wantedBy(event);
  }

  get leaf(): Hash {
    return (this.known ??= chainLeaf(this.event));
  }
}

/** One writer to a chain at a time: the endpoint's row is held until the transaction ends. */
async function extendChain(manager: EntityManager, id: string, wanted: readonly Candidate[]): Promise<ChainLink[]> {
  const [chain] = await manager.query<Chain[]>(
    'SELECT deliveries, chain_head AS "chainHead" FROM audit.webhook_endpoint WHERE id = $1 FOR NO KEY UPDATE',
    [id],
  );
  let [count, head] = [Number(chain?.deliveries ?? 0), chain?.chainHead ?? EMPTY_CHAIN];
  const links = wanted.map(({ leaf }) => {
    [count, head] = [count + 1, nodeHash(head, leaf)];
    return { endpointSequence: String(count), chainHead: head };
  });
  await manager.query('UPDATE audit.webhook_endpoint SET deliveries = $2, chain_head = $3 WHERE id = $1', [
    id,
    count,
    head,
  ]);
  return links;
}

const asRow = ({ id, sequence, type }: RecordedEvent, webhookId: string, link: ChainLink, deliveryId: string) => ({
  id: deliveryId,
  webhook_id: webhookId,
  event_id: id,
  event_sequence: sequence,
  event_type: type,
  endpoint_sequence: link.endpointSequence,
  chain_head: link.chainHead.toString('base64'),
});
