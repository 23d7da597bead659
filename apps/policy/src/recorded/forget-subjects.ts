import { forgetSubject } from '@countersign/contracts';
import { Bus } from '@countersign/messaging';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { PolicyDatabase } from '../policy-database';

/** Few enough that nobody waits for their locks. */
const CHUNK = 2_000;
/** Those of unverified tokens are no more than RecordBounds lets in; no index leads to them. */
const LIMIT = { limitMs: 5_000 };

const DELETE = `
  WITH gone AS (
    DELETE FROM policy.recorded_exchanges WHERE event_id = ANY (ARRAY(
      (SELECT event_id FROM policy.recorded_exchanges
       WHERE issuer = $1 AND left(subject, 512) = left($2, 512) AND subject = $2 LIMIT ${CHUNK})
      UNION ALL
      (SELECT event_id FROM policy.recorded_exchanges
       WHERE family = 'unverified' AND unverified #>> '{claims,sub}' = $2
         AND coalesce(issuer, unverified #>> '{claims,iss}') = $1 LIMIT ${CHUNK})
    )) RETURNING 1
  ) SELECT count(*)::int AS count FROM gone`;

/** Deletes what the record has of a subject whose data is to be removed, when the audit service asks. */
@Injectable()
export class ForgetSubjects implements OnModuleInit {
  constructor(
    private readonly bus: Bus,
    private readonly database: PolicyDatabase,
  ) {}

  onModuleInit(): void {
    this.bus.serve(forgetSubject, async ({ issuer, subject }) => ({ forgotten: await this.forget(issuer, subject) }));
  }

  /** @throws UnavailableError */
  private async forget(issuer: string, subject: string): Promise<number> {
    let forgotten = 0;
    for (;;) {
      const [row] = await this.database.query<{ count: number }>(DELETE, [issuer, subject], LIMIT);
      forgotten += row?.count ?? 0;
      if ((row?.count ?? 0) < CHUNK) return forgotten;
    }
  }
}
