import { mkdirSync, realpathSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '@countersign/platform';
import { OWNER, openCluster, type Cluster } from './cluster-folder';
import { freePort, launch, stopLeftover, type ServerProcess } from './server-process';

export interface EmbeddedPostgresOptions {
  /** Where the data is kept; made when missing. One process at a time: see to that before `start()`. */
  dataDir: string;
  logger: Logger;
  /** False: no fsync, so that a crash of the machine loses data; one of the process does not. For tests only. */
  durable?: boolean;
  /** Further server settings, such as `max_connections`. */
  settings?: Record<string, string>;
}

const NOT_DURABLE = ['fsync=off', 'full_page_writes=off'];
/** The rest of a killed server, and a port that another took first: both pass. */
const PASSES = /shared memory block|Address already in use|postmaster\.pid|could not bind/;
const RETRY_LIMIT_MS = 15_000;
const RETRY_PAUSE_MS = 50;
const RESTART_PAUSE_MS = 500;

/**
 * A PostgreSQL server of our own, for one machine: from the system's binaries or npm's, on 127.0.0.1, on a port that
 * is free at each start, with a password that only our user can read. It survives kill -9 of this process and of
 * itself: a left-over server is stopped at the next start, a dead one is started again.
 */
export class EmbeddedPostgres {
  private server: ServerProcess | undefined;
  private stopping = false;

  constructor(private readonly options: EmbeddedPostgresOptions) {}

  /** Resolves when it takes connections. Rejects with one line when there are no binaries or it cannot start. */
  async start(): Promise<{ url: string }> {
    const { dataDir, durable = true, logger } = this.options;
    this.stopping = false;
    mkdirSync(dataDir, { recursive: true });
    const cluster = openCluster(realpathSync(dataDir), durable, logger);
    if ((await stopLeftover(cluster.data)) === 'stopped') logger.info('stopped a server that outlived its process');
    const port = await this.launchOnFreePort(cluster);
    logger.debug('the database runs', { port, pid: this.server?.pid, folder: cluster.data });
    return { url: `postgres://${OWNER}:${cluster.password}@127.0.0.1:${port}/postgres` };
  }

  /** Fast shutdown. A second call does nothing. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.server?.stop();
    this.server = undefined;
  }

  private async launchOnFreePort(cluster: Cluster): Promise<number> {
    const deadline = Date.now() + RETRY_LIMIT_MS;
    for (;;) {
      const port = await freePort();
      try {
        await this.launch(cluster, port);
        return port;
      } catch (error) {
        if (!PASSES.test(String(error)) || Date.now() > deadline) throw error;
        await pause(RETRY_PAUSE_MS);
        await stopLeftover(cluster.data);
      }
    }
  }

  private async launch(cluster: Cluster, port: number): Promise<void> {
    const { durable = true, settings = {} } = this.options;
    const server = await launch(cluster, port, [
      ...(durable ? [] : NOT_DURABLE),
      ...Object.entries(settings).map(([name, value]) => `${name}=${value}`),
    ]);
    this.server = server;
    void server.gone.then(() => this.restart(cluster, port));
    if (this.stopping) await this.stop();
  }

  /** The server died under us: on the same port, since its URL is in use. */
  private async restart(cluster: Cluster, port: number): Promise<void> {
    if (this.stopping) return;
    this.options.logger.error('the database server died; starting it again');
    for (;;) {
      try {
        return await this.launch(cluster, port);
      } catch (error) {
        this.options.logger.error('the database server does not start', { error });
      }
      await pause(RESTART_PAUSE_MS, undefined, { ref: false });
      if (this.stopping) return;
    }
  }
}
