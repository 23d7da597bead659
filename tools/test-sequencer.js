const { default: Sequencer } = require('@jest/test-sequencer');

/**
 * Long files first, so that no core waits at the end for one of them: those that gather cases of many others, then
 * those that start a system of processes, then the rest; each by size, or by the time they took when Jest remembers.
 */
class LongestFirst extends Sequencer {
  sort(tests) {
    const rank = ({ path }) => Number(path.endsWith('.e2e.ts')) + Number(/\/one-[a-z]+\.e2e\.ts$/.test(path));
    return [...super.sort(tests)].sort((a, b) => rank(b) - rank(a));
  }
}

module.exports = LongestFirst;
