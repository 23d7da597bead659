import { revocationsChanged, type Page, type RevocationAnswer } from '@countersign/contracts';
import { AuditStream, Bus } from '@countersign/messaging';
import { ProblemError, uuidV7, type Caller } from '@countersign/platform';
import { Injectable } from '@nestjs/common';
import { ExchangeConfig } from '../config';
import { ExchangeDatabase } from '../database';
import { RevocationCopy } from './revocation-copy';
import { revocationChanged } from './revocation-events';
import {
  addRevocation,
  countRevocations,
  deleteRevocation,
  listRevocations,
  type RevocationRow,
} from './revocation-rows';
import { pageOf, type PageQuery, type RevocationRequest } from './revocation-schema';
import { EXPIRY_LEEWAY_SECONDS } from './token-status';

/** No token lives longer, whatever the deployment says today: it may have said something else yesterday. */
const LONGEST_LIFETIME_SECONDS = 24 * 60 * 60;
/** Every check looks at each of them. */
const MAX_IN_FORCE = 1_000;

const asAnswer = ({ position: _, createdAt, expiresAt, ...row }: RevocationRow): RevocationAnswer => ({
  ...row,
  createdAt: createdAt.toISOString(),
  expiresAt: expiresAt.toISOString(),
});

/** Revocations by claim, issuer and role: each kills the tokens issued before it, and bans nobody. */
@Injectable()
export class Revocations {
  constructor(
    private readonly config: ExchangeConfig,
    private readonly database: ExchangeDatabase,
    private readonly stream: AuditStream,
    private readonly bus: Bus,
    private readonly copy: RevocationCopy,
  ) {}

  /** @throws ProblemError conflict when there are too many in force */
  async create(terms: RevocationRequest, caller: Caller): Promise<RevocationAnswer> {
    const clock = Date.now();
    const row = await this.database.transaction(async (manager) => {
      if ((await countRevocations(manager)) >= MAX_IN_FORCE)
        throw new ProblemError('conflict', `There are ${MAX_IN_FORCE} revocations in force, which is the most.`);
      const lifetime = LONGEST_LIFETIME_SECONDS + EXPIRY_LEEWAY_SECONDS;
      const added = await addRevocation(
        manager,
        { id: uuidV7(clock), author: caller.author, ...terms },
        { clock, lifetime },
      );
      await this.stream.append('audit', revocationChanged('created', this.config.publicUrl, added, caller));
      return added;
    });
    await this.announce();
    return asAnswer(row);
  }

  /** Those in force, newest first. */
  async list({ cursor, limit }: PageQuery): Promise<Page<RevocationAnswer>> {
    const rows = await listRevocations(this.database, cursor ?? null, limit + 1);
    return pageOf(rows, limit, asAnswer);
  }

  /** Tokens that it killed, and no other revocation, live again. @throws ProblemError not-found */
  async delete(id: string, caller: Caller): Promise<void> {
    await this.database.transaction(async (manager) => {
      const row = await deleteRevocation(manager, id);
      if (row === null) throw new ProblemError('not-found', 'There is no such revocation.');
      await this.stream.append('audit', revocationChanged('deleted', this.config.publicUrl, row, caller));
    });
    await this.announce();
  }

  /** It is in force on this replica when the caller hears of it; on the others a moment later. */
  private async announce(): Promise<void> {
    this.bus.publish(revocationsChanged, {});
    await this.copy.refresh().catch(() => undefined);
  }
}
