import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { DynamicModule, Module, StandardSchemaValidationPipe, type Type } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE, NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AdminGuard } from './admin.guard';
import { Clock } from './clock';
import { HealthController } from './health.controller';
import { Readiness } from './health';
import { createHttpServer } from './http-server';
import { Logger } from './logger';
import { startManagementServer } from './management-server';
import { Metrics } from './metrics';
import { serveOpenApi } from './openapi';
import { ProblemError } from './problem';
import { ProblemFilter } from './problem.filter';
import type { Resource } from './resource';
import { ServiceConfig } from './variables';

/** An instance and the class it is injected by: `[Bus, new NatsBus(…)]`. */
export type Provided = readonly [token: abstract new (...args: never[]) => unknown, instance: object];

export interface ServiceOptions {
  /** Name in logs, metrics and the API description. */
  name: string;
  config: ServiceConfig;
  logger: Logger;
  modules: (Type | DynamicModule)[];
  /** Connections and configurations, injected by class. What has `ping` is part of being ready; what has `close` is closed with us, the last first. */
  provide: Provided[];
}

export interface RunningService {
  /** Where it listens; the port is the real one when 0 was asked for. */
  url: string;
  /** Base URL of the management port on this machine; null without one. */
  managementUrl: string | null;
  /** Not ready, then the last requests finished, then every connection let go. */
  stop(): Promise<void>;
}

/** At a stop: how long clients have to leave, and how long after that what they asked for may take. */
const LEAVE_MS = 1_000;
const FINISH_MS = 8_000;
const LOOK_EVERY_MS = 20;

@Module({})
class ServiceModule {}

const validationPipe = new StandardSchemaValidationPipe({
  exceptionFactory: (issues) =>
    new ProblemError(
      'invalid-parameter',
      issues.map(({ path, message }) => `${(path ?? []).map(String).join('.')}: ${message}`).join('; '),
    ),
});

function rootModule(options: ServiceOptions, metrics: Metrics, readiness: Readiness): DynamicModule {
  const provided: Provided[] = [
    [ServiceConfig, options.config],
    [Logger, options.logger],
    [Metrics, metrics],
    [Readiness, readiness],
    [Clock, new Clock()],
    ...options.provide,
  ];
  const values = provided.map(([provide, useValue]) => ({ provide, useValue }));
  return {
    module: ServiceModule,
    global: true,
    imports: options.modules,
    controllers: [HealthController],
    providers: [
      ...values,
      { provide: APP_GUARD, useClass: AdminGuard },
      { provide: APP_FILTER, useClass: ProblemFilter },
      { provide: APP_PIPE, useValue: validationPipe },
    ],
    exports: values.map(({ provide }) => provide),
  };
}

const canBeAsked = (instance: object): instance is Pick<Resource, 'ping'> => 'ping' in instance;
const canBeClosed = (instance: object): instance is Pick<Resource, 'close'> => 'close' in instance;

/** Starts one service: composes its modules, listens, and answers `/health`, `/openapi.json` and the management port. */
export async function startService(options: ServiceOptions): Promise<RunningService> {
  const { config, logger } = options;
  const metrics = new Metrics();
  const readiness = new Readiness();
  for (const [{ name }, instance] of options.provide) {
    if (canBeAsked(instance)) readiness.add(name, () => instance.ping());
  }
  const adapter = createHttpServer({
    trustedProxies: config.trustedProxies,
    isSecure: config.publicUrl.startsWith('https:'),
    metrics,
    isStopping: () => readiness.isStopping,
  });
  const app = await NestFactory.create<NestFastifyApplication>(rootModule(options, metrics, readiness), adapter, {
    logger,
    bodyParser: false,
    abortOnError: false,
  });
  serveOpenApi(app, options.name);
  await app.listen(config.port, config.host);
  const management =
    config.managementPort === undefined ? null : await startManagementServer(config.managementPort, metrics, readiness);
  const stop = async (): Promise<void> => {
    readiness.stop();
    await closeHttp(app);
    const instances = new Set(options.provide.map(([, instance]) => instance));
    for (const instance of [...instances].reverse()) if (canBeClosed(instance)) await instance.close();
    await closeServer(management);
  };
  const url = listeningUrl(app, config.host);
  logger.info('listening', { url });
  return { url, managementUrl: management && `http://127.0.0.1:${portOf(management)}`, stop };
}

/**
 * Answers for a moment more, each time with `Connection: close`, so that clients leave of themselves: a connection
 * that is closed under a client may lose the request that is on its way. Then no more; what is left is cut off.
 */
async function closeHttp(app: NestFastifyApplication): Promise<void> {
  const server: Server = app.getHttpServer();
  const connections = promisify(server.getConnections.bind(server));
  for (const until = performance.now() + LEAVE_MS; performance.now() < until && (await connections()) > 0;)
    await delay(LOOK_EVERY_MS);
  const cut = setTimeout(() => server.closeAllConnections(), FINISH_MS);
  // What was under way, a stream of events above all, leaves its connection open when it ends.
  const idle = setInterval(() => server.closeIdleConnections(), LOOK_EVERY_MS);
  await app.close();
  clearTimeout(cut);
  clearInterval(idle);
}

function listeningUrl(app: NestFastifyApplication, host: string): string {
  const address = app.getHttpServer().address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${port}`;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

async function closeServer(server: Server | null): Promise<void> {
  if (server === null) return;
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
