import { setImmediate } from 'node:timers/promises';
import type { Steps } from '@countersign/policy-engine';

/** Decisions of the same process wait for a stretch at most. */
const STRETCH_MS = 8;

/** Drives work to its end, and lets others have the process in between. */
export async function inStretches<T>(steps: Steps<T>): Promise<T> {
  let end = performance.now() + STRETCH_MS;
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    if (performance.now() < end) continue;
    await setImmediate();
    end = performance.now() + STRETCH_MS;
  }
}
