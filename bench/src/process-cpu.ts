import { readdirSync, readFileSync } from 'node:fs';

/** Of a process and those it started, by name: seconds of CPU, and bytes of memory in use. */
export interface ProcessUse {
  cpuSeconds: number;
  memoryBytes: number;
}

/** Fixed by the kernel for what it tells to programs (proc(5)). */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;

interface Stat {
  pid: number;
  parent: number;
  cpuSeconds: number;
  memoryBytes: number;
}

/** Reads /proc/PID/stat; null when the process has ended. */
function statOf(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name may hold spaces and brackets; what follows it does not.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const [parent, user, system, children, childrenSystem, pages] = [1, 11, 12, 13, 14, 21].map((n) =>
      Number(fields[n]),
    );
    const ticks = (user ?? 0) + (system ?? 0) + (children ?? 0) + (childrenSystem ?? 0);
    return { pid, parent: parent ?? 0, cpuSeconds: ticks / TICKS_PER_SECOND, memoryBytes: (pages ?? 0) * PAGE_BYTES };
  } catch {
    return null;
  }
}

/** What the process and its descendants have used so far. Linux only. */
export function processUse(pid: number): ProcessUse {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => statOf(Number(name)) ?? []);
  const family = new Set([pid]);
  // Parents have smaller numbers only until the numbers start again: until nothing is added.
  for (let size = 0; size < family.size;) {
    size = family.size;
    for (const one of all) if (family.has(one.parent)) family.add(one.pid);
  }
  const members = all.filter((one) => family.has(one.pid));
  return {
    cpuSeconds: members.reduce((sum, one) => sum + one.cpuSeconds, 0),
    memoryBytes: members.reduce((sum, one) => sum + one.memoryBytes, 0),
  };
}
