import type { KeyTimes } from './key-times';

/** A signing key as the plan sees it; times in epoch milliseconds of the database's clock. */
export interface PlannedKey {
  kid: string;
  alg: string;
  state: 'next' | 'active' | 'retired';
  createdAt: number;
  activatedAt: number | null;
  /** It is to take over as soon as it may, whatever the age of the active key. */
  requested: boolean;
  publishedUntil: number | null;
}

/**
 * Why a plan is asked for: time has passed, a replica starts (and may bring another algorithm), somebody wants a
 * rotation, or a key has leaked.
 */
export type Occasion = 'time' | 'start' | 'rotate' | 'emergency';

/** One step of a rotation; new keys have the algorithm that the plan was asked for. */
export type RotationStep =
  | { do: 'retire'; kid: string; publishedUntil: number }
  | { do: 'activate'; kid: string }
  | { do: 'create'; state: 'active' | 'next'; requested: boolean }
  | { do: 'request'; kid: string };

export interface RotationInput {
  /** All that are not retired, and the retired ones that are still published. */
  keys: PlannedKey[];
  /** Epoch milliseconds of the database's clock. */
  now: number;
  /** The algorithm that new keys are to have. */
  alg: string;
  occasion: Occasion;
  times: KeyTimes;
}

/** When a key that was made at `createdAt` may sign: every replica publishes it, and every older copy has expired. */
export const mayTakeOverAt = (createdAt: number, times: KeyTimes): number =>
  createdAt + (times.jwksMaxAge + times.followMargin) * 1000;

/**
 * What is to be done with our signing keys, in order; nothing when all is as it should be. There always is a next
 * key, published long before it signs. Applied in one transaction, each plan leaves one active and one next key.
 */
export function planRotation(input: RotationInput): RotationStep[] {
  const active = input.keys.find(({ state }) => state === 'active');
  const next = input.keys.find(({ state }) => state === 'next');
  if (input.occasion === 'emergency') return startAfresh(input);
  if (active === undefined) return fillVacancy(next);
  if (next === undefined) return [createNext(wantsTakeOver(input, active))];
  if (input.occasion === 'start' && next.alg !== input.alg) {
    return [discard(next, input.now), createNext(wantsTakeOver(input, active))];
  }
  return takeOver(input, active, next);
}

function takeOver(input: RotationInput, active: PlannedKey, next: PlannedKey): RotationStep[] {
  const { now, times } = input;
  const requested = next.requested || wantsTakeOver(input, active);
  const isOld = now >= (active.activatedAt ?? active.createdAt) + times.rotateAfter * 1000;
  if (!requested && !isOld) return [];
  if (now < mayTakeOverAt(next.createdAt, times)) return next.requested ? [] : [{ do: 'request', kid: next.kid }];
  return [
    { do: 'retire', kid: active.kid, publishedUntil: lastNeeded(now, times) },
    { do: 'activate', kid: next.kid },
    createNext(false),
  ];
}

/** A replica that has not heard of the rotation may sign for a while; its last token has to live out its time. */
const lastNeeded = (now: number, times: KeyTimes): number =>
  now + (times.unconfirmed + times.maxTokenLifetime + times.leeway) * 1000;

const wantsTakeOver = ({ occasion, alg }: RotationInput, active: PlannedKey): boolean =>
  occasion === 'rotate' || (occasion === 'start' && active.alg !== alg);

const createNext = (requested: boolean): RotationStep => ({ do: 'create', state: 'next', requested });

/** A next key has signed nothing. */
const discard = ({ kid }: PlannedKey, now: number): RotationStep => ({ do: 'retire', kid, publishedUntil: now });

/** The first start, with no verifier to surprise. */
const fillVacancy = (next: PlannedKey | undefined): RotationStep[] => [
  next === undefined ? { do: 'create', state: 'active', requested: false } : { do: 'activate', kid: next.kid },
  createNext(false),
];

/**
 * Whoever has one key may have those that lay beside it, and the leaked one may have been rotated away already: none
 * of them is published any more.
 */
const startAfresh = ({ keys, now }: RotationInput): RotationStep[] => [
  ...keys.map((key) => discard(key, now)),
  { do: 'create', state: 'active', requested: false },
  createNext(false),
];
