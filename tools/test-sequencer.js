const { default: Sequencer } = require('@jest/test-sequencer');

/**
 * Long files first, so that no core waits at the end for one of them: those that start a system of processes before
 * the others, and both by size, or by the time they took when Jest remembers that.
 */
class LongestFirst extends Sequencer {
  sort(tests) {
    const startsProcesses = ({ path }) => Number(path.endsWith('.e2e.ts'));
    return [...super.sort(tests)].sort((a, b) => startsProcesses(b) - startsProcesses(a));
  }
}

module.exports = LongestFirst;
