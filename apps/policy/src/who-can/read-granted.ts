import { Injectable } from '@nestjs/common';
import { PolicyDatabase } from '../policy-database';
import { ASKED_COLUMNS, type AskedExchange } from '../recorded/recorded-exchange';
import type { TimeRange } from '../recorded/recorded-exchanges';

const BATCH = 1_000;
/** Of one read of a batch, over many rows. */
const READ_LIMIT = { limitMs: 5_000 };

/** In whichever order the rows lie: nobody asks for another one, and a sort of the whole window is spared. */
const DECLARE = `DECLARE granted NO SCROLL CURSOR FOR SELECT ${ASKED_COLUMNS} FROM policy.recorded_exchanges
  WHERE decidable AND outcome = 'granted' AND time >= $1 AND time <= $2`;

/** Reads the granted exchanges of policy's own record that can be decided again. */
@Injectable()
export class ReadGranted {
  constructor(private readonly database: PolicyDatabase) {}

  /** @throws UnavailableError */
  async each({ from, to }: TimeRange, visit: (exchange: AskedExchange) => void): Promise<void> {
    // A server that hangs is found out within a second, and not by the long statements.
    await this.database.ping();
    await this.database.transaction(async (queries) => {
      await queries.query(DECLARE, [from, to]);
      for (;;) {
        const batch = await queries.query<AskedExchange[]>(`FETCH FORWARD ${BATCH} FROM granted`);
        batch.forEach(visit);
        if (batch.length < BATCH) return;
      }
    }, READ_LIMIT);
  }
}
