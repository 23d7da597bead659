import { createServer } from 'node:net';
import { join } from 'node:path';
import {
  ConfigError,
  Logger,
  ServiceConfig,
  configOf,
  startService,
  type Environment,
  type RunningService,
} from '@countersign/platform';
import { EmbeddedPostgres } from '@countersign/postgres';
import type { EmbeddedEnvironment } from './embedded-environment';
import { embeddedServices, modules } from './embedded-services';

class StandaloneConfig extends configOf('optionalDatabaseUrl', 'migrationDatabaseUrl', 'allowLoopbackIssuers') {}

export interface EmbeddedSystem extends RunningService {
  loopbackIssuers: boolean;
}

/** The whole system in this process. On standard output there is only the banner; the log goes to standard error. */
export async function startEmbedded({ variables, dataDir }: EmbeddedEnvironment): Promise<EmbeddedSystem> {
  const config = new ServiceConfig(variables);
  await assertFree(config);
  const { allowLoopbackIssuers: loopbackIssuers, ...connection } = new StandaloneConfig(variables);
  const logger = new Logger('standalone', config.logLevel, (line) => void process.stderr.write(line));
  if (loopbackIssuers) logger.info('issuers and webhooks on http and loopback are allowed', { host: config.host });
  const server =
    connection.optionalDatabaseUrl === undefined
      ? new EmbeddedPostgres({ dataDir: join(dataDir, 'postgres'), logger })
      : null;
  const url = connection.optionalDatabaseUrl ?? (await server?.start())?.url ?? '';
  try {
    const service = await startServices(variables, { ...connection, url, config, logger, wait: server !== null });
    const stop = (): Promise<void> => service.stop().finally(() => server?.stop());
    return { ...service, loopbackIssuers, stop };
  } catch (error) {
    await server?.stop();
    throw error;
  }
}

interface Services {
  url: string;
  migrationDatabaseUrl: string | undefined;
  config: ServiceConfig;
  logger: Logger;
  /** For a server of our own we wait; another's may come later. */
  wait: boolean;
}

async function startServices(variables: Environment, options: Services): Promise<RunningService> {
  const { url, migrationDatabaseUrl: migrationUrl, config, logger } = options;
  const { provide, databases } = embeddedServices({ variables, url, migrationUrl, logger });
  if (options.wait) await Promise.all(databases.map((database) => database.whenReady()));
  return startService({ name: 'standalone', config, logger, modules, provide });
}

/** Said at once, and in one line, rather than after everything else was started. */
function assertFree({ host, port }: ServiceConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', ({ code }: NodeJS.ErrnoException) =>
      reject(new ConfigError(`COUNTERSIGN_PORT: cannot listen on ${host}:${port} (${code})`)),
    );
    probe.listen(port, host, () => probe.close(() => resolve()));
  });
}
