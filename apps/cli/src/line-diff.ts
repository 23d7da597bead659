/** A line that is only before (`-`), only after (`+`), or in both (` `). */
interface Line {
  mark: '-' | '+' | ' ';
  text: string;
}

const CONTEXT = 3;
/** Beyond so many comparisons everything between the equal ends is shown as replaced. */
const MOST_COMPARISONS = 4_000_000;

/** The difference of two texts in the unified format, without the lines that name the files; [] when there is none. */
export function lineDiff(before: string, after: string): string[] {
  const lines = compare(linesOf(before), linesOf(after));
  const isNear = lines.map((_, at) => lines.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some(isChange));
  const starts = lines.flatMap((_, at) => (isNear[at] && !isNear[at - 1] ? [at] : []));
  return starts.flatMap((start) => {
    const end = isNear.indexOf(false, start);
    return hunk(lines, start, end < 0 ? lines.length : end);
  });
}

const linesOf = (text: string): string[] => (text === '' ? [] : text.replace(/\n$/, '').split('\n'));
const marked = (mark: Line['mark'], texts: string[]): Line[] => texts.map((text) => ({ mark, text }));
const isChange = ({ mark }: Line): boolean => mark !== ' ';

function hunk(lines: Line[], start: number, end: number): string[] {
  const shown = lines.slice(start, end);
  const range = (other: Line['mark']): string => {
    const count = shown.filter(({ mark }) => mark !== other).length;
    const first = lines.slice(0, start).filter(({ mark }) => mark !== other).length + (count > 0 ? 1 : 0);
    return `${first},${count}`;
  };
  return [`@@ -${range('+')} +${range('-')} @@`, ...shown.map(({ mark, text }) => `${mark}${text}`)];
}

function compare(before: string[], after: string[]): Line[] {
  const most = Math.min(before.length, after.length);
  let head = 0;
  while (head < most && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < most - head && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  const [old, young] = [before.slice(head, before.length - tail), after.slice(head, after.length - tail)];
  const middle =
    old.length * young.length > MOST_COMPARISONS ? [...marked('-', old), ...marked('+', young)] : align(old, young);
  const equalEnd = tail === 0 ? [] : before.slice(-tail);
  return [...marked(' ', before.slice(0, head)), ...middle, ...marked(' ', equalEnd)];
}

/** Along a longest common subsequence. */
function align(old: string[], young: string[]): Line[] {
  const width = young.length + 1;
  const lengths = longestFrom(old, young);
  const at = (i: number, j: number): number => lengths[i * width + j] ?? 0;
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < old.length && j < young.length) {
    if (old[i] === young[j]) {
      lines.push({ mark: ' ', text: old[i] ?? '' });
      [i, j] = [i + 1, j + 1];
    } else if (at(i + 1, j) >= at(i, j + 1)) lines.push({ mark: '-', text: old[i++] ?? '' });
    else lines.push({ mark: '+', text: young[j++] ?? '' });
  }
  return [...lines, ...marked('-', old.slice(i)), ...marked('+', young.slice(j))];
}

/** For each pair of places, row by row: how long the longest common subsequence of what follows is. */
function longestFrom(old: string[], young: string[]): Uint32Array {
  const width = young.length + 1;
  const lengths = new Uint32Array((old.length + 1) * width);
  const at = (i: number, j: number): number => lengths[i * width + j] ?? 0;
  for (let i = old.length - 1; i >= 0; i -= 1)
    for (let j = young.length - 1; j >= 0; j -= 1)
      lengths[i * width + j] = old[i] === young[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  return lengths;
}
