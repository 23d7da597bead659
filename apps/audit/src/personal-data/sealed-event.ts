import type { CloudEvent } from '@countersign/contracts';
import { seal, SealError, unseal } from '@countersign/platform';
import { canonicalJson, commit, withCommitments, withMember, type Commitments } from '@countersign/transparency-log';
import type { KeyRing } from './key-ring';
import { PERSONAL_MEMBERS } from './personal-members';

/** An event as it is stored. */
export interface SealedEvent {
  /** With commitments in place of personal data. */
  event: CloudEvent;
  /** The personal data and the salt of the commitments; null when it has none. */
  sealed: Buffer | null;
  /** Of the subject; null when it was destroyed, or there never was one. */
  sealedKey: Buffer | null;
}

interface PersonalData {
  /** Sealed too: with it, a source address could be found by trying them all. */
  salt: string;
  /** By JSON Pointer. */
  members: Record<string, unknown>;
}

/** Its escape in JSON, and not the text of one: that has its backslash twice. */
const NUL = /(?:^|[^\\])(?:\\\\)*\\u0000/;

/**
 * The event with its personal data sealed. `salt`: 16 random bytes.
 * @throws RangeError for what PostgreSQL could not hold either: one rule for all members of events
 */
export function sealEvent(event: CloudEvent, key: Buffer, salt: Buffer): Pick<SealedEvent, 'event' | 'sealed'> {
  const { committed, replaced } = commit(event, { salt, members: PERSONAL_MEMBERS });
  const members = replaced.map(([pointer, json]) => `"${pointer}":${json}`);
  // PersonalData, put together from what was hashed.
  const text = `{"salt":"${salt.toString('base64')}","members":{${members.join(',')}}}`;
  if (text.includes('\\u0000') && NUL.test(text)) throw new RangeError('jsonb holds no NUL');
  return { event: committed, sealed: seal(Buffer.from(text), key) };
}

/**
 * The event as it came. Once the key of its subject is destroyed, it has the commitments, and `erased` in its data;
 * when what is sealed cannot be opened or is not what was committed to, it has the commitments alone.
 */
export function openEvent(stored: SealedEvent, ring: KeyRing): CloudEvent {
  const { event, sealed, sealedKey } = stored;
  if (sealed === null) return event;
  if (sealedKey === null) return { ...event, data: { ...event.data, erased: true } };
  return opened(stored, ring)?.event ?? event;
}

/** What turns the event as it is shown into the entry of the log; null when it is not shown otherwise. */
export function commitmentsOf(stored: SealedEvent, ring: KeyRing): Commitments | null {
  return opened(stored, ring)?.commitments ?? null;
}

function opened(
  { event, sealed, sealedKey }: SealedEvent,
  ring: KeyRing,
): { event: CloudEvent; commitments: Commitments } | null {
  if (sealed === null || sealedKey === null) return null;
  const data = unsealed(sealed, sealedKey, ring);
  if (data === null) return null;
  const commitments = { salt: Buffer.from(data.salt, 'base64'), members: Object.keys(data.members) };
  const whole = Object.entries(data.members).reduce((part, [at, value]) => withMember(part, at, value), event);
  // Sealed data of another event, put in this one's place, opens as well: its subject's key is the same.
  const isSame = canonicalJson(withCommitments(whole, commitments)) === canonicalJson(event);
  return isSame ? { event: whole, commitments } : null;
}

function unsealed(sealed: Buffer, sealedKey: Buffer, ring: KeyRing): PersonalData | null {
  try {
    return JSON.parse(unseal(sealed, ring.openKey(sealedKey)).toString()) as PersonalData;
  } catch (error) {
    if (error instanceof SealError) return null;
    throw error;
  }
}
