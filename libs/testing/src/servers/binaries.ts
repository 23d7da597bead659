import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The repository; this file is at the same depth in `src` and in `dist`. */
const repository = resolve(__dirname, '../../../..');
const home = join(repository, '.countersign/servers');
const unpacked = join(home, 'root');

export type ServerName = 'nats-server' | 'redis-server' | 'redis-cli' | 'nginx';

/** A server program, with the environment that it needs to find its libraries. */
export interface ServerBinary {
  command: string;
  env: NodeJS.ProcessEnv;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const findIn = (folders: string[], name: string): string | undefined =>
  folders.map((folder) => join(folder, name)).find(isProgram);

/** `sbin` is where Debian puts servers, and not on everybody's PATH. */
const systemFolders = (): string[] => [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
const unpackedFolders = [join(unpacked, 'usr/bin'), join(unpacked, 'usr/sbin')];

function libraryFolders(): string {
  const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  return [join(unpacked, 'usr/lib', triplet), join(unpacked, 'lib', triplet), process.env.LD_LIBRARY_PATH]
    .filter((folder) => folder !== undefined && folder !== '')
    .join(delimiter);
}

/** A server program that is there already. */
export function presentBinary(name: ServerName): ServerBinary | undefined {
  const installed = findIn(systemFolders(), name);
  if (installed !== undefined) return { command: installed, env: process.env };
  const command = findIn(unpackedFolders, name);
  return command === undefined ? undefined : { command, env: { ...process.env, LD_LIBRARY_PATH: libraryFolders() } };
}

/**
 * Runs under `flock`, so that two test runs do not do it twice. Package lists of our own when the machine has none:
 * reading them needs no root. Libraries that the servers need and the machine lacks are unpacked beside them.
 */
const unpackScript = `
set -eu
cd "$1"
[ ! -e root/.complete ] || exit 0
servers="nats-server redis-server redis-tools nginx"
apt="-q -o APT::Sandbox::User=root"
if ! apt-cache show $servers >/dev/null 2>&1; then
  mkdir -p apt/state/lists/partial apt/cache/archives/partial
  apt="$apt -o Dir::State=$1/apt/state -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache=$1/apt/cache"
  apt-get $apt update
fi
libraries=$(apt-cache $apt depends -i $servers | sed -n 's/^ *Depends: \\(lib[^ <]*\\)$/\\1/p' | sort -u)
for library in $libraries; do
  dpkg-query -W -f '\${Status}' "$library" 2>/dev/null | grep -q ' installed$' || servers="$servers $library"
done
rm -rf download root.new
mkdir download root.new
(cd download && apt-get $apt download $servers)
for package in download/*.deb; do dpkg -x "$package" root.new; done
rm -rf download root
touch root.new/.complete
mv root.new root
`;

const howToInstall =
  'install nats-server, redis-server and nginx (Debian: apt-get install nats-server redis-server nginx-light; macOS: ' +
  'brew install nats-server redis nginx), or name running servers in COUNTERSIGN_TEST_NATS_URL and COUNTERSIGN_TEST_REDIS_URL';

/**
 * Makes sure that nats-server, redis-server and nginx can be started: from PATH, else unpacked from Debian packages
 * into `.countersign/servers` of the repository. Nothing is installed and no root is needed.
 * @throws Error with one line that says what to install
 */
export async function ensureServerBinaries(): Promise<void> {
  const names: ServerName[] = ['nats-server', 'redis-server', 'nginx'];
  const found = names.map(presentBinary);
  if (!found.includes(undefined)) return;
  await mkdir(home, { recursive: true });
  try {
    await run('flock', [join(home, 'lock'), 'sh', '-c', unpackScript, 'unpack', home], { timeout: 300_000 });
  } catch (cause) {
    const missing = names.filter((_, index) => found[index] === undefined).join(', ');
    throw new Error(`${missing} not found: ${howToInstall}`, { cause });
  }
}

/**
 * A server program from PATH, else from the unpacked packages, which are fetched when need be.
 * @throws Error with one line that says what to install
 */
export async function serverBinary(name: ServerName): Promise<ServerBinary> {
  const present = presentBinary(name);
  if (present !== undefined) return present;
  await ensureServerBinaries();
  const binary = presentBinary(name);
  if (binary === undefined) throw new Error(`${name} not found: ${howToInstall}`);
  return binary;
}
