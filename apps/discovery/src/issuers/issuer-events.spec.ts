import type { AuditStreamName, CloudEvent, IssuerRegistration } from '@countersign/contracts';
import type { AuditStream } from '@countersign/messaging';
import { Logger } from '@countersign/platform';
import { issuerRegistration } from '@countersign/testing';
import type { DiscoveryConfig } from '../config';
import { fetched, publicKey } from '../keys/cluster.fixture';
import type { FetchedKeys } from '../keys/fetch-keys';
import { IssuerEvents } from './issuer-events';

/** What the trail and the log are told of keys that were fetched after others. */
function told(before: FetchedKeys | null, after: FetchedKeys, spec: Partial<IssuerRegistration> = {}) {
  const events: { type: string; data: unknown }[] = [];
  const lines: string[] = [];
  const append = async (_: AuditStreamName, { type, data }: CloudEvent): Promise<void> =>
    void events.push({ type: type.replace(/^dev\.countersign\.issuer\./, ''), data });
  const logger = new Logger('test', 'warn', (line) => void lines.push(line));
  const config = { publicUrl: 'https://sts.test' } as DiscoveryConfig;
  const issuer = issuerRegistration({ name: 'ci', iss: 'https://ci.test', ...spec });
  new IssuerEvents({ append } as unknown as AuditStream, logger, config).keysChanged(issuer, before, after);
  return { events, warnings: lines.length };
}

const of = { issuer: 'ci', iss: 'https://ci.test' };
const w1 = { kid: 'w1', reason: 'key_size' } as const;
const w2 = { kid: null, reason: 'key_small_order' } as const;
const publishing = (...rejected: FetchedKeys['rejected']): FetchedKeys => ({ ...fetched('k1'), rejected });

it.each<[string, FetchedKeys | null, FetchedKeys, unknown[]]>([
  ['the first ones', null, fetched('k1'), []],
  ['the same', fetched('k1'), fetched('k1'), []],
  [
    'others',
    fetched('k1', 'k2'),
    fetched('k2', 'k3'),
    [{ type: 'keys_rotated.v1', data: { ...of, added: ['k3'], removed: ['k1'] } }],
  ],
  [
    'another under the same kid',
    fetched('k1'),
    { ...fetched('k1'), keys: [publicKey('k1', 'another')] },
    [{ type: 'keys_rotated.v1', data: { ...of, added: ['k1'], removed: ['k1'] } }],
  ],
  [
    'some that are refused, at the first look (JWT-10)',
    null,
    publishing(w1, w2),
    [{ type: 'keys_rejected.v1', data: { ...of, rejected: [w1, w2] } }],
  ],
  [
    'one more that is refused',
    publishing(w1),
    publishing(w1, w2),
    [{ type: 'keys_rejected.v1', data: { ...of, rejected: [w2] } }],
  ],
  ['one less that is refused', publishing(w1, w2), publishing(w1), []],
])('of keys that an issuer publishes the trail is told what is new: %s', (_, before, after, events) => {
  expect(told(before, after)).toEqual({ events, warnings: JSON.stringify(events).includes('rejected') ? 1 : 0 });
});

it('keys that stand in the document were judged with it', () => {
  expect(told(null, publishing(w1), { jwks: { keys: [] } })).toEqual({ events: [], warnings: 0 });
});
