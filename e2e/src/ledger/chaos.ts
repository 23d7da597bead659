import { eventually, type ServiceName, type Stack } from '@countersign/testing';
import { pick, shuffled } from './random';

/** After so many exchanges, a process dies as in a power cut; after so many more it is started again. */
export interface Death {
  after: number;
  service: ServiceName;
  replica: number;
}

const PATIENCE_MS = 600_000;

/** Every service dies in every round. The audit service goes first: what it was sending is sent half a minute later. */
export function planDeaths(random: () => number, stack: Stack, exchanges: number, deaths: number): Death[] {
  const plan: Death[] = [];
  while (plan.length < deaths) {
    const round: ServiceName[] = ['audit', ...shuffled(random, ['exchange', 'policy', 'discovery'] as const)];
    for (const service of round) {
      const after = Math.floor((exchanges / (deaths + 1)) * (plan.length + 0.5 + random()));
      plan.push({ after, service, replica: pick(random, stack.replicasOf(service)).replica });
    }
  }
  return plan.slice(0, deaths);
}

/** Carries the plan out while somebody else makes exchanges; `count` tells how many were begun. */
export async function carryOut(plan: readonly Death[], stack: Stack, count: () => number): Promise<void> {
  for (const { after, service, replica } of plan) {
    await eventually(() => {
      if (count() < after) throw new Error(`${count()} of ${after} exchanges`);
    }, PATIENCE_MS);
    const victim = stack.replicasOf(service).find((one) => one.replica === replica);
    await victim?.kill('SIGKILL');
    await victim?.restart();
  }
}
