/** Work in steps: whoever drives it decides what else is done between two of them. */
export type Steps<T> = Generator<undefined, T, undefined>;

const PER_STEP = 100;

/** Visits all items; of small ones so many in a step that each takes around a millisecond. */
export function* eachInSteps<T>(items: Iterable<T>, visit: (item: T) => void, perStep = PER_STEP): Steps<void> {
  let left = perStep;
  for (const item of items) {
    visit(item);
    left -= 1;
    if (left > 0) continue;
    left = perStep;
    yield;
  }
}

export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
