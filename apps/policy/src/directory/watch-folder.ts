import { watch, type FSWatcher } from 'node:fs';

export interface WatchOptions {
  /** How often to look anyway, in milliseconds: some mounts tell nothing, and a folder may appear later. */
  pollMs: number;
  /** How long nothing may have happened before a change is told. */
  quietMs: number;
  /** Whether to ask the operating system to tell of changes; else only the poll does. */
  events: boolean;
}

/** Tells that a folder may have changed. Returns what ends it. */
export function watchFolder(path: string, { pollMs, quietMs, events }: WatchOptions, tell: () => void): () => void {
  let watcher: FSWatcher | null = null;
  let quiet: NodeJS.Timeout | undefined;
  const drop = (): void => {
    watcher?.close();
    watcher = null;
  };
  const hear = (): void => {
    clearTimeout(quiet);
    quiet = setTimeout(tell, quietMs).unref();
  };
  const listen = (): void => {
    // Anew each time: a folder that was replaced is another one than the watched.
    drop();
    if (!events) return;
    try {
      watcher = watch(path, { persistent: false }, hear).on('error', drop);
    } catch {
      // Missing, or no watches are left: the poll stands in.
    }
  };
  listen();
  const poll = setInterval(() => {
    listen();
    tell();
  }, pollMs).unref();
  return () => {
    clearInterval(poll);
    clearTimeout(quiet);
    drop();
  };
}
