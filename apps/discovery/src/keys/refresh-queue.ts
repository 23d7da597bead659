import type { IssuerKeySet } from './issuer-key-set';

/** Issuers whose keys are fetched ahead of need at the same time: a few that hang hold up no other. */
const AT_ONCE = 32;

/** Fetches keys ahead of need, in the background, each issuer's at most once at a time. */
export class RefreshQueue {
  private readonly waiting = new Set<Pick<IssuerKeySet, 'refreshWhenDue'>>();
  private running = 0;

  add(keySet: Pick<IssuerKeySet, 'refreshWhenDue'>): void {
    this.waiting.add(keySet);
    this.startNext();
  }

  private startNext(): void {
    const [keySet] = this.waiting;
    if (keySet === undefined || this.running >= AT_ONCE) return;
    this.waiting.delete(keySet);
    this.running += 1;
    void keySet.refreshWhenDue().finally(() => {
      this.running -= 1;
      this.startNext();
    });
  }
}
