import { eventually, type ServiceName, type Stack } from '@countersign/testing';
import { pick, shuffled } from './random';

const SERVERS = ['nats', 'redis', 'postgres'] as const;
type Victim = ServiceName | (typeof SERVERS)[number];

/** After so many exchanges, a process dies as in a power cut; after so many more it is started again. */
export interface Death {
  after: number;
  victim: Victim;
  /** Of a service. */
  replica: number;
}

const PATIENCE_MS = 600_000;

/** Everything dies in every round. The audit service goes first: what it was sending is sent half a minute later. */
export function planDeaths(random: () => number, stack: Stack, exchanges: number, deaths: number): Death[] {
  const plan: Death[] = [];
  while (plan.length < deaths) {
    const round: Victim[] = ['audit', ...shuffled(random, ['exchange', 'policy', 'discovery', ...SERVERS] as const)];
    for (const victim of round) {
      const after = Math.floor((exchanges / (deaths + 1)) * (plan.length + 0.5 + random()));
      const replica = isServer(victim) ? 1 : pick(random, stack.replicasOf(victim)).replica;
      plan.push({ after, victim, replica });
    }
  }
  return plan.slice(0, deaths);
}

/** Carries the plan out while somebody else makes exchanges; `count` tells how many were begun. */
export async function carryOut(plan: readonly Death[], stack: Stack, count: () => number): Promise<void> {
  for (const { after, victim, replica } of plan) {
    await eventually(() => {
      if (count() < after) throw new Error(`${count()} of ${after} exchanges`);
    }, PATIENCE_MS);
    const dying = isServer(victim) ? stack[victim] : stack.replicasOf(victim).find((one) => one.replica === replica);
    await dying?.kill();
    await dying?.restart();
  }
}

const isServer = (victim: Victim): victim is (typeof SERVERS)[number] => SERVERS.some((server) => server === victim);
