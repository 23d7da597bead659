import type { ExplainedOutcome, ExplainStage } from '@countersign/contracts';
import { exchangeReasons } from '@countersign/policy-engine';
import type { RecordedExchange } from '../recorded/recorded-exchange';

const replayReasons = ['replayed', 'replay_state_lost'];

/** How a recorded attempt ended. */
export function recordedOutcome(exchange: RecordedExchange): ExplainedOutcome {
  const { outcome, class: refusalClass, reason, detail } = exchange;
  return { outcome, stage: stageOf(exchange), class: refusalClass, reason, detail };
}

/** The step that ended it; what was wrong with the request itself counts as not verified. */
function stageOf({ outcome, reason }: RecordedExchange): ExplainStage {
  if (outcome === 'granted') return 'granted';
  if (outcome === 'voided') return 'record';
  if (reason === 'target_not_allowed') return 'target';
  if (replayReasons.includes(reason ?? '')) return 'replay';
  return (exchangeReasons as readonly (string | null)[]).includes(reason) ? 'decide' : 'verify';
}
