import type { CloudEvent } from '@countersign/contracts';
import { pooledRandom } from '@countersign/platform';
import type { EntityManager } from 'typeorm';
import type { KeyRing } from './key-ring';
import { dataSubjectOf } from './personal-members';
import { sealEvent, type SealedEvent } from './sealed-event';
import type { SubjectKeys } from './subject-keys';

const SALT_BYTES = 16;

export interface StoredForm extends Pick<SealedEvent, 'event' | 'sealed'> {
  /** Of the key of its subject; null where nothing is sealed. */
  keyId: string | null;
}

/** Events as they are to be stored, in the same order; within a transaction that holds the lock of the trail. */
export async function sealBatch(
  manager: EntityManager,
  { keys, ring }: { keys: SubjectKeys; ring: KeyRing },
  events: readonly CloudEvent[],
): Promise<StoredForm[]> {
  const ids = events.map((event) => {
    const subject = dataSubjectOf(event);
    return subject === null ? '' : ring.idOf(subject);
  });
  const taken = await keys.take(manager, ring, new Set(ids.filter((id) => id !== '')));
  return events.map((event, index) => {
    const found = taken.get(ids[index] ?? '');
    if (found === undefined) return { event, sealed: null, keyId: null };
    return { ...sealEvent(event, found.key, pooledRandom(SALT_BYTES)), keyId: found.id };
  });
}
