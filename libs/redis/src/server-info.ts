/** One field of what Redis answers to INFO, or null. */
export function infoField(info: string, name: string): string | null {
  const line = info.split('\r\n').find((one) => one.startsWith(`${name}:`));
  return line === undefined ? null : line.slice(name.length + 1);
}

/** Names the process and the history it continues: it becomes another one by a restart, and by following a primary. */
export const lifeOf = (info: string): string =>
  [infoField(info, 'run_id'), infoField(info, 'master_replid')].map((part) => part ?? 'unnamed').join('.');

/** A server that never followed another one as its replica has only zeros here. */
const NEVER_FOLLOWED = /^0+$/;

/**
 * Whether this run of the server began with everything that was acknowledged before: its writes go to an append-only
 * file, and it is not a replica that took over, which may lack the last writes of the former primary. How often the
 * file is synced is not to be seen here: `appendfsync always` is what deploy/redis sets.
 */
export function beganComplete(info: string): boolean {
  return (
    infoField(info, 'role') === 'master' &&
    infoField(info, 'aof_enabled') === '1' &&
    NEVER_FOLLOWED.test(infoField(info, 'master_replid2') ?? '')
  );
}
