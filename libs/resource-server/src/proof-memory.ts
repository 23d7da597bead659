import type { ProofMemory, ProofUse } from './dpop';

/** Remembers proofs in this process. Full, it takes no more: to forget one would be to let it be used again. */
export class InProcessProofMemory implements ProofMemory {
  /** In the order of arrival. */
  private readonly seen = new Map<string, number>();

  constructor(private readonly capacity = 100_000) {}

  use(id: string, expiresAt: number, now: number): ProofUse {
    if ((this.seen.get(id) ?? -Infinity) > now) return 'known';
    this.forgetExpired(now);
    if (this.seen.size >= this.capacity) return 'full';
    this.seen.delete(id);
    this.seen.set(id, expiresAt);
    return 'new';
  }

  /** Proofs live about equally long, so the oldest arrivals go first; one that lives longer holds the rest a little. */
  private forgetExpired(now: number): void {
    for (const [id, expiresAt] of this.seen) {
      if (expiresAt > now) return;
      this.seen.delete(id);
    }
  }
}
