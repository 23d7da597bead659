import { Resolver, lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';

/** All addresses of a name. */
export type Resolve = (hostname: string) => Promise<string[]>;

export interface ResolveOptions {
  /** `address:port` of DNS servers; those of the system unless given. */
  servers?: string[];
  hostsFile?: string;
  lookup?: Resolve;
}

/** Milliseconds; the second try waits twice as long, and both stay within the time of a request. */
const limits = { timeout: 1_000, tries: 2 };
/** Codes that say that DNS has no such name, or that there is no DNS: the system may know it from elsewhere. */
const notThere: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'ENODATA', 'ECONNREFUSED']);
/** getaddrinfo blocks one of four threads that files and signatures need as well. */
const lookupsAtOnce = 2;

/**
 * Resolves like the system does (its hosts file, its DNS servers, then whatever else it knows, search domains too)
 * but so that a DNS server that hangs blocks no thread.
 */
export function systemResolve({ servers, hostsFile = '/etc/hosts', ...rest }: ResolveOptions = {}): Resolve {
  const lookUp = fewAtOnce(rest.lookup ?? lookUpAll, lookupsAtOnce);
  return async (hostname) => {
    const listed = await fromHostsFile(hostname, hostsFile);
    if (listed.length > 0) return listed;
    return (await askServers(hostname, servers)) ?? lookUp(hostname);
  };
}

async function lookUpAll(hostname: string): Promise<string[]> {
  const answers = await lookup(hostname, { all: true });
  return answers.map(({ address }) => address);
}

async function fromHostsFile(hostname: string, path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const name = hostname.toLowerCase().replace(/\.$/, '');
  const lines = text.split('\n').map((line) => line.replace(/#.*/, '').trim().toLowerCase().split(/\s+/));
  return lines.flatMap(([address = '', ...names]) => (names.includes(name) ? [address] : []));
}

/** Null when DNS has no such name; throws when it cannot say. */
async function askServers(hostname: string, servers: string[] | undefined): Promise<string[] | null> {
  const resolver = new Resolver(limits);
  if (servers !== undefined) resolver.setServers(servers);
  const answers = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
  const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (addresses.length > 0) return addresses;
  const failures = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as Error] : []));
  const serious = failures.find((error) => !notThere.has((error as NodeJS.ErrnoException).code));
  if (serious !== undefined) throw serious;
  return null;
}

function fewAtOnce(resolve: Resolve, most: number): Resolve {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (hostname) => {
    if (running >= most) await new Promise<void>((start) => waiting.push(start));
    else running += 1;
    try {
      return await resolve(hostname);
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
