import type { RecordedEvent } from '@countersign/contracts';
import { uuidV7 } from '@countersign/platform';
import { nodeHash, type Hash } from '@countersign/transparency-log';
import type { EntityManager } from 'typeorm';
import { wantedBy, type MatchingEndpoint } from '../webhooks/endpoint-matching';
import { chainLeaf, EMPTY_CHAIN } from './delivered-event';

const INSERT = `
  INSERT INTO audit.delivery
    (id, webhook_id, event_id, event_sequence, event_type, status, next_attempt_at, created_at, endpoint_sequence,
      chain_head)
  SELECT id, webhook_id, event_id, event_sequence, event_type, 'pending', $2, $2, endpoint_sequence,
    decode(chain_head, 'base64')
  FROM json_to_recordset($1::json) AS i
    (id uuid, webhook_id uuid, event_id text, event_sequence bigint, event_type text, endpoint_sequence bigint,
      chain_head text)`;

/** One writer to a chain at a time: the rows of endpoints are held until the transaction ends, in one order everywhere. */
const HOLD_CHAINS = `
  SELECT id, deliveries, chain_head AS "chainHead" FROM audit.webhook_endpoint WHERE id = ANY ($1::uuid[])
  ORDER BY id FOR NO KEY UPDATE`;

const EXTEND_CHAINS = `
  UPDATE audit.webhook_endpoint e SET deliveries = l.endpoint_sequence, chain_head = decode(l.chain_head, 'base64')
  FROM json_to_recordset($1::json) AS l (webhook_id uuid, endpoint_sequence bigint, chain_head text)
  WHERE e.id = l.webhook_id`;

interface Chain {
  id: string;
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
  const wanted = new Map(endpoints.map((one) => [one.id, candidates.filter(({ isWanted }) => isWanted(one))]));
  const ids = [...wanted.keys()].filter((id) => wanted.get(id)?.length !== 0);
  if (ids.length === 0) return 0;
  const chains = await manager.query<Chain[]>(HOLD_CHAINS, [ids]);
  const links = chains.map((chain) => extend(chain, wanted.get(chain.id) ?? [], now));
  await manager.query(EXTEND_CHAINS, [JSON.stringify(links.map((ofOne) => ofOne.at(-1)))]);
  const rows = links.flat();
  await manager.query(INSERT, [JSON.stringify(rows), new Date(now)]);
  return rows.length;
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

/** Rows for the deliveries of one endpoint, each the next link of its chain. */
function extend({ id, deliveries, chainHead }: Chain, wanted: readonly Candidate[], now: number): object[] {
  let [count, head] = [Number(deliveries), chainHead ?? EMPTY_CHAIN];
  return wanted.map(({ event, leaf }) => {
    [count, head] = [count + 1, nodeHash(head, leaf)];
    return {
      id: uuidV7(now),
      webhook_id: id,
      event_id: event.id,
      event_sequence: event.sequence,
      event_type: event.type,
      endpoint_sequence: count,
      chain_head: head.toString('base64'),
    };
  });
}
