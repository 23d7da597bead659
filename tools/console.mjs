/** Lines for people: colours on a terminal only. */
const colour = process.stdout.isTTY && process.env.NO_COLOR === undefined;
const paint = (code, text) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);

export const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;
export const say = (text) => process.stdout.write(`${text}\n`);
export const sayStarted = (what) => say(paint(2, `… ${what}`));
export const sayDone = (what, since) => say(`${paint(32, '✓')} ${what} ${paint(2, seconds(since))}`);
export const sayFailed = (what, since) => say(`${paint(31, '✗')} ${what} ${paint(2, seconds(since))}`);

/** Ends the process with one line on standard error. */
export function fail(line) {
  process.stderr.write(`${line}\n`);
  process.exit(1);
}
