import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chownSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Logger } from '@countersign/platform';
import { findBinaries, restoreLinks, type PostgresBinaries } from './postgres-binaries';
import { canEnter, makePrivateFolder, serverUser, type SystemUser } from './system-user';

/** A data folder that is ready to be served, and what serves it. */
export interface Cluster {
  data: string;
  /** Folder of the programs. */
  programs: string;
  user: SystemUser;
  password: string;
}

/** Nothing of our environment, least of all its secrets, is the server's business. */
export const SERVER_ENVIRONMENT = { PATH: process.env.PATH ?? '', LC_ALL: 'C', TZ: 'UTC' };

/** The user PostgreSQL makes at first; it owns everything in the data folder. */
export const OWNER = 'countersign';

const ROOTS_PLACE = '/var/lib/countersign';

/**
 * Finds or makes the data folder. It lies in `folder`, unless the user that the server runs as cannot get in there:
 * then elsewhere, and `folder` remembers where.
 */
export function openCluster(folder: string, durable: boolean, logger: Pick<Logger, 'info' | 'warn'>): Cluster {
  mkdirSync(folder, { recursive: true });
  const password = readPassword(join(folder, 'password'));
  const moved = join(folder, 'moved-to');
  const parent = existsSync(moved) ? readFileSync(moved, 'utf8').trim() : folder;
  const existing = join(parent, 'data');
  if (existsSync(existing)) return openExisting(existing, password);
  const user = serverUser(null);
  const reachable = reachableParent(folder, user);
  if (reachable !== folder) {
    writeFileSync(moved, `${reachable}\n`);
    logger.warn('the database lies outside the data folder, which its user cannot enter', {
      user: user.name,
      folder: reachable,
    });
  }
  const binaries = findBinaries(null);
  const programs = reachablePrograms(binaries, reachable, user);
  const data = join(reachable, 'data');
  initialise({ data, programs, user, password }, durable);
  logger.info('made a new database', { postgres: binaries.major, folder: data, user: user.name });
  return { data, programs, user, password };
}

function openExisting(data: string, password: string): Cluster {
  const user = serverUser(data);
  const major = Number.parseInt(readFileSync(join(data, 'PG_VERSION'), 'utf8'), 10);
  return { data, programs: reachablePrograms(findBinaries(major), dirname(data), user), user, password };
}

function readPassword(file: string): string {
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString('hex'), { mode: 0o600 });
  return readFileSync(file, 'utf8').trim();
}

function reachableParent(folder: string, user: SystemUser): string {
  if (canEnter(folder, user)) return folder;
  mkdirSync(ROOTS_PLACE, { recursive: true, mode: 0o755 });
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 16);
  const elsewhere = join(ROOTS_PLACE, name);
  makePrivateFolder(elsewhere, user);
  if (canEnter(elsewhere, user)) return elsewhere;
  throw new Error(
    `PostgreSQL refuses to run as root, and user ${user.name} can enter neither ${folder} nor ${elsewhere}`,
  );
}

/** Programs that the server's user cannot get at (a checkout in root's home) are copied beside the data. */
function reachablePrograms(binaries: PostgresBinaries, parent: string, user: SystemUser): string {
  const { folder, npmPackage, major } = binaries;
  if (npmPackage !== undefined) restoreLinks(npmPackage);
  if (npmPackage === undefined || canEnter(folder, user)) return folder;
  const copy = join(parent, `postgresql-${major}`);
  if (!existsSync(copy)) {
    cpSync(join(npmPackage, 'native'), `${copy}.new`, { recursive: true, verbatimSymlinks: true });
    renameSync(`${copy}.new`, copy);
  }
  return join(copy, 'bin');
}

/** In a folder of another name first: an interrupted start leaves no half-made data folder. */
function initialise({ data, programs, user, password }: Cluster, durable: boolean): void {
  const unfinished = `${data}.new`;
  const passwordFile = `${data}.password`;
  rmSync(unfinished, { recursive: true, force: true });
  makePrivateFolder(unfinished, user);
  rmSync(passwordFile, { force: true });
  writeFileSync(passwordFile, password, { mode: 0o600, flag: 'wx' });
  if (user.ids !== undefined) chownSync(passwordFile, user.ids.uid, user.ids.gid);
  const settings = ['-U', OWNER, '-A', 'scram-sha-256', `--pwfile=${passwordFile}`, '-E', 'UTF8', '--locale=C', '-k'];
  const { status, stderr, error } = spawnSync(
    join(programs, 'initdb'),
    ['-D', unfinished, ...settings, ...(durable ? [] : ['--no-sync'])],
    { ...user.ids, cwd: '/', env: SERVER_ENVIRONMENT, encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] },
  );
  rmSync(passwordFile, { force: true });
  if (status !== 0) throw new Error(`initdb failed: ${error?.message ?? stderr.trim()}`);
  renameSync(unfinished, data);
}
