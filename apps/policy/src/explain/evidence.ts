import type { ExplainedOutcome } from '@countersign/contracts';
import type { ExchangeRequest } from '@countersign/policy-engine';
import type { RecordedExchange } from '../recorded/recorded-exchange';

/** What there is to explain an attempt from. */
export interface Evidence {
  /** null when nothing could be read of the token. */
  claims: Record<string, unknown> | null;
  /** False: anybody could have written them. */
  verified: boolean;
  /** Where something other than policy refused it. */
  refusal: ExplainedOutcome | null;
  /** What was asked for; `scope` as it was written. */
  asked: Pick<ExchangeRequest, 'audiences' | 'roles' | 'policies' | 'permissions' | 'sourceIp' | 'now'> & {
    scope: string | null;
  };
  recorded: RecordedExchange | null;
}
