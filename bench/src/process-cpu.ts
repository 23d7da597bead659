import { readdirSync, readFileSync } from 'node:fs';

/** Of a process and those it started: seconds of CPU, and bytes of memory in use. */
export interface ProcessUse {
  cpuSeconds: number;
  memoryBytes: number;
}

/** Fixed by the kernel for what it tells to programs (proc(5)). */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;

interface Stat extends ProcessUse {
  pid: number;
  parent: number;
  program: string;
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
    const program = text.slice(text.indexOf('(') + 1, text.lastIndexOf(')'));
    return {
      pid,
      program,
      parent: parent ?? 0,
      cpuSeconds: ticks / TICKS_PER_SECOND,
      memoryBytes: (pages ?? 0) * PAGE_BYTES,
    };
  } catch {
    return null;
  }
}

const allProcesses = (): Stat[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => statOf(Number(name)) ?? []);

/** The process and its descendants, but for `apart` and theirs. */
function familyOf(pid: number, all: Stat[], apart: number[]): Stat[] {
  const family = new Set([pid]);
  // Parents have smaller numbers only until the numbers start again: until nothing is added.
  for (let size = 0; size < family.size;) {
    size = family.size;
    for (const one of all) if (family.has(one.parent) && !apart.includes(one.pid)) family.add(one.pid);
  }
  return all.filter((one) => family.has(one.pid));
}

const sum = (members: Stat[]): ProcessUse => ({
  cpuSeconds: members.reduce((total, one) => total + one.cpuSeconds, 0),
  memoryBytes: members.reduce((total, one) => total + one.memoryBytes, 0),
});

/**
 * What processes and their descendants have used so far, by name; one that another has started counts only under its
 * own name. Linux only.
 */
export function useOf(processes: Record<string, number>): Record<string, ProcessUse> {
  const all = allProcesses();
  const named = Object.values(processes);
  return Object.fromEntries(
    Object.entries(processes).map(([name, pid]) => [
      name,
      sum(
        familyOf(
          pid,
          all,
          named.filter((other) => other !== pid),
        ),
      ),
    ]),
  );
}

/** The child of a process that runs this program. */
export const childOf = (pid: number, program: string): number | undefined =>
  allProcesses().find((one) => one.parent === pid && one.program === program)?.pid;
