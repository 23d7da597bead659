import { ProblemError } from '@countersign/platform';
import { Injectable } from '@nestjs/common';
import type { RecordedExchange } from '../recorded/recorded-exchange';
import { RecordedExchanges } from '../recorded/recorded-exchanges';
import type { Evidence } from './evidence';
import type { ExplainQuestion } from './explain-request';
import { recordedOutcome } from './recorded-outcome';
import { VerifyToken } from './verify-token';

/** Finds out what there is to explain: given claims, a token, or an attempt of the past. */
@Injectable()
export class GatherEvidence {
  constructor(
    private readonly tokens: VerifyToken,
    private readonly exchanges: RecordedExchanges,
  ) {}

  /** @throws ProblemError not-found, invalid-parameter; UnavailableError */
  async gather(question: ExplainQuestion): Promise<Evidence> {
    const { source } = question;
    switch (source.from) {
      case 'claims':
        return { claims: source.claims, verified: true, refusal: null, ...askedNow(question) };
      case 'token': {
        const asked = askedNow(question);
        return { ...(await this.tokens.verify(source.token, asked.asked.now)), ...asked };
      }
      case 'trace':
        return evidenceOf(question, (await this.exchanges.findByTraceId(source.traceId))[0] ?? null);
      case 'event':
        return evidenceOf(question, await this.exchanges.findByEventId(source.eventId));
    }
  }
}

function askedNow(question: ExplainQuestion): Pick<Evidence, 'asked' | 'recorded'> {
  const { audience = [], scope, sourceIp = null, now = Math.floor(Date.now() / 1000) } = question;
  const { text = null, roles = null, policies = null } = scope ?? {};
  return { recorded: null, asked: { audiences: audience, scope: text, roles, policies, sourceIp, now } };
}

function evidenceOf(question: ExplainQuestion, recorded: RecordedExchange | null): Evidence {
  if (recorded === null) {
    throw new ProblemError('not-found', 'No such attempt is recorded; one of the last second may still be on its way.');
  }
  const outcome = recordedOutcome(recorded);
  const isOfPolicy = ['decide', 'target', 'granted'].includes(outcome.stage);
  return {
    claims: recorded.claims ?? recorded.unverified?.claims ?? null,
    verified: recorded.claims !== null,
    // What policy decided then it may decide otherwise now; the rest stands. Without claims there is only the record.
    refusal: isOfPolicy && recorded.claims !== null ? null : outcome,
    asked: { ...askedThen(recorded), ...changesOf(question) },
    recorded,
  };
}

const askedThen = ({ audience, resource, scope, narrowedTo, sourceIp, time }: RecordedExchange): Evidence['asked'] => ({
  audiences: [...new Set([...audience, ...resource])],
  scope,
  ...narrowedTo,
  sourceIp,
  now: Math.floor(time.getTime() / 1000),
});

/** What the question says takes the place of what the attempt said. */
const changesOf = ({ audience, scope, sourceIp, now }: ExplainQuestion): Partial<Evidence['asked']> => ({
  ...(audience === undefined ? {} : { audiences: audience }),
  ...(scope === undefined ? {} : { scope: scope.text, roles: scope.roles, policies: scope.policies }),
  ...(sourceIp === undefined ? {} : { sourceIp }),
  ...(now === undefined ? {} : { now }),
});
