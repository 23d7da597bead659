import type { SigningKeyRotationAnswer } from '@countersign/contracts';
import { ProblemError, SealError, UnavailableError } from '@countersign/platform';
import { Injectable } from '@nestjs/common';
import type { RotationOrder } from './key-rotation';
import { KEY_TIMES } from './key-times';
import { mayTakeOverAt } from './plan-rotation';
import { SigningKeyStore, type StoredKeys } from './signing-key-store';
import { SigningKeys } from './signing-keys';

function comingKey({ keys, now }: StoredKeys): SigningKeyRotationAnswer {
  const requested = keys.find(({ state, requested }) => state === 'next' && requested);
  const key = requested ?? keys.find(({ state }) => state === 'active');
  if (key === undefined) throw new UnavailableError('postgres');
  const { kid, alg, state, createdAt, activatedAt } = key;
  const at = state === 'active' ? (activatedAt ?? createdAt) : Math.max(now, mayTakeOverAt(createdAt, KEY_TIMES));
  return { kid, alg, state, takesOverAt: new Date(at).toISOString() };
}

/** Rotations that somebody asked for. */
@Injectable()
export class RotateOnDemand {
  constructor(
    private readonly signingKeys: SigningKeys,
    private readonly store: SigningKeyStore,
  ) {}

  /** Which key signs after this, and since or from when. Throws ProblemError, UnavailableError. */
  async rotate(order: RotationOrder): Promise<SigningKeyRotationAnswer> {
    try {
      await this.signingKeys.rotate(order);
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      throw new ProblemError('unavailable', 'The signing keys that are stored cannot be opened.');
    }
    return comingKey(await this.store.read());
  }
}
