import { Database, type DatabaseOptions } from '@countersign/postgres';
import { CreateExchangeSchema1700000000000 } from './migrations/1700000000000-create-exchange-schema';
import { AddReplayLives1700000001000 } from './migrations/1700000001000-add-replay-lives';
import { AddSigningKeyRotation1700000002000 } from './migrations/1700000002000-add-signing-key-rotation';
import { AddRevocations1700000003000 } from './migrations/1700000003000-add-revocations';

/** Schema `exchange`: signing keys (sealed), revocations and the replay epochs. */
export class ExchangeDatabase extends Database {
  constructor(options: Pick<DatabaseOptions, 'url' | 'migrationUrl' | 'logger'>) {
    const migrations = [
      CreateExchangeSchema1700000000000,
      AddReplayLives1700000001000,
      AddSigningKeyRotation1700000002000,
      AddRevocations1700000003000,
    ];
    super({ ...options, schema: 'exchange', entities: [], migrations, insertOnly: ['replay_epoch', 'replay_life'] });
  }
}
