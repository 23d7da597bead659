import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';

/** As whom the server runs: ourselves, or, as root, whom PostgreSQL accepts. */
export interface SystemUser {
  name: string;
  /** For `spawn`; absent when it is ourselves. */
  ids?: { uid: number; gid: number };
}

const isRoot = (): boolean => process.getuid?.() === 0;

/** PostgreSQL refuses to run as root. Its own user if there is one, else nobody; the owner of what exists already. */
export function serverUser(existingFolder: string | null): SystemUser {
  if (!isRoot()) return { name: 'this user' };
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .map(([name = '', , uid, gid]) => ({ name, ids: { uid: Number(uid), gid: Number(gid) } }))
    .filter(({ name, ids }) => name !== '' && ids.uid !== 0);
  const owner = existingFolder === null ? undefined : statSync(existingFolder).uid;
  const user =
    users.find(({ ids }) => ids.uid === owner) ??
    users.find(({ name }) => name === 'postgres') ??
    users.find(({ name }) => name === 'nobody');
  if (user === undefined) throw new Error('PostgreSQL refuses to run as root, and there is no other user to run it as');
  return user;
}

/** Whether this user can get into the folder, through all of its parents. */
export const canEnter = (folder: string, user: SystemUser): boolean =>
  user.ids === undefined || spawnSync('test', ['-x', folder], { ...user.ids, cwd: '/', stdio: 'ignore' }).status === 0;

/** A folder only this user can enter; one that another user made is refused, whatever it holds. */
export function makePrivateFolder(folder: string, user: SystemUser): void {
  if (!existsSync(folder)) {
    mkdirSync(folder, { mode: 0o700 });
    if (user.ids !== undefined) chownSync(folder, user.ids.uid, user.ids.gid);
  }
  const owner = statSync(folder).uid;
  const wanted = user.ids?.uid ?? process.getuid?.();
  if (owner !== wanted) throw new Error(`${folder} belongs to another user`);
}
