import { setTimeout as delay } from 'node:timers/promises';
import type { Page, RecordedEvent } from '@countersign/contracts';
import { eventually, type LocalIssuer } from '@countersign/testing';
import { admin, claimsOf, exchangeOnce, type Answer, type Target } from '../support/client';
import { githubClaims } from '../support/documents';

/** A client whose token was let in once is told so; one whose answer was lost on the way finds out like this. */
const USED = 'token already used';
const PATIENCE_MS = 600_000;
/** Clients that ask without a pause leave a service that starts no processor. */
const PAUSE_MS = 200;

interface Use {
  subjectToken: string;
  /** Access tokens that came for it. */
  delivered: string[];
}

/** What clients did and what they got, written down outside the system. */
export class Ledger {
  readonly uses: Use[] = [];
  /** Answers that no client should ever see. */
  readonly undocumented: string[] = [];

  constructor(
    private readonly target: Target,
    private readonly issuer: LocalIssuer,
  ) {}

  get delivered(): string[] {
    return this.uses.flatMap(({ delivered }) => delivered);
  }

  /** One job: asks until it knows what became of its token, `copies` times at once. */
  async exchange(copies = 1): Promise<void> {
    const subjectToken = await this.issuer.sign(githubClaims(this.issuer.iss));
    const use: Use = { subjectToken, delivered: [] };
    this.uses.push(use);
    await Promise.all(Array.from({ length: copies }, () => this.settle(use)));
  }

  /** The same token again. */
  async again(use: Use): Promise<void> {
    await this.settle(use);
  }

  private settle(use: Use): Promise<void> {
    return eventually(async () => {
      const answer = await exchangeOnce(this.target, use.subjectToken);
      if (this.note(use, answer)) return;
      await delay(PAUSE_MS);
      throw new Error(`still ${answer.status}`);
    }, PATIENCE_MS);
  }

  /** Whether the client is done. */
  private note(use: Use, { status, headers, body }: Answer): boolean {
    if (status === 200) use.delivered.push(body.access_token as string);
    if (status === 200 || (status === 400 && body.error_description === USED)) return true;
    const isLater = (status === 503 || status === 429) && Number(headers.get('retry-after')) > 0;
    if (!isLater) this.undocumented.push(`${status} ${JSON.stringify(body)}`);
    return !isLater;
  }
}

export const jtiOf = (token: string): string => claimsOf(token).jti as string;

/** The whole trail, oldest first. */
export async function readTrail(target: Target): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for (let cursor = ''; ;) {
    const { status, body } = await admin(target, 'GET', `/v1/events?limit=500${cursor}`);
    if (status !== 200) throw new Error(`the trail: ${status}`);
    const { items, nextCursor } = body as Page<RecordedEvent>;
    events.push(...items);
    if (nextCursor === null) return events.reverse();
    cursor = `&cursor=${nextCursor}`;
  }
}

/** The tokens that the trail says were issued. */
export const recordedTokens = (events: readonly RecordedEvent[]): string[] =>
  events
    .filter(({ type }) => type === 'dev.countersign.exchange.granted.v1')
    .map(({ data }) => (data.token as { jti: string }).jti);
