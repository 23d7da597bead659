import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort, ServerProcess } from './servers/server-process';
import { repository } from './stack-servers';

export const SERVICE_NAMES = ['policy', 'discovery', 'exchange', 'audit'] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];

const READY_DEADLINE_MS = 150_000;
const RETRY_MS = 50;

/** One replica of a service, as a process of its own. */
export interface StackService {
  name: ServiceName;
  /** Counts from 1. */
  replica: number;
  url: string;
  managementUrl: string;
  /** Its lines on standard output and standard error. */
  logFile: string;
  /** Throws while it does not run. */
  readonly pid: number;
  /** What it ended with; null while it runs, and when a signal ended it. */
  readonly exitCode: number | null;
  /** SIGTERM: ends it in order. SIGKILL: as a power cut would. Resolves when it has ended. */
  kill(signal?: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** Ends it in order if it runs, starts it again on the same ports, resolves when it is ready. */
  restart(): Promise<void>;
  /** Freezes it until `resume()`. */
  pause(): void;
  resume(): void;
}

export interface ServiceOptions {
  name: ServiceName;
  replica: number;
  logFolder: string;
  /** Its COUNTERSIGN_ variables but for the ports. */
  env: NodeJS.ProcessEnv;
}

const statusOf = (url: string): Promise<number> =>
  fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    (response) => response.status,
    () => 0,
  );

/** Resolves when the URL answers 200. @throws Error that tells the last answer, after some minutes */
export async function waitUntilOk(url: string, hint: () => Promise<string> = async () => ''): Promise<void> {
  const deadline = Date.now() + READY_DEADLINE_MS;
  for (;;) {
    const status = await statusOf(url);
    if (status === 200) return;
    if (Date.now() > deadline) throw new Error(`${url} answers ${status || 'nothing'} ${await hint()}`);
    await delay(RETRY_MS);
  }
}

function launch(options: ServiceOptions, ports: { port: number; management: number }, logFile: string): ServerProcess {
  const main = join(repository, 'apps', options.name, 'dist/main.js');
  if (!existsSync(main)) throw new Error(`${main} is missing: npm run build`);
  const env = {
    PATH: process.env.PATH,
    NODE_ENV: 'production',
    COUNTERSIGN_HOST: '127.0.0.1',
    COUNTERSIGN_PORT: String(ports.port),
    COUNTERSIGN_MANAGEMENT_PORT: String(ports.management),
    ...options.env,
  };
  return new ServerProcess({
    name: `${options.name} (${logFile})`,
    command: '/bin/sh',
    args: ['-c', 'log=$1; shift; exec "$@" >>"$log" 2>&1', 'sh', logFile, process.execPath, main],
    env,
    probe: async () => {
      if ((await statusOf(`http://127.0.0.1:${ports.port}/health/live`)) !== 200) throw new Error('not live');
    },
  });
}

/** Starts a replica; resolves when it is live, which does not wait for its dependencies. */
export async function startStackService(options: ServiceOptions): Promise<StackService & { ready(): Promise<void> }> {
  const { name, replica, logFolder } = options;
  await mkdir(logFolder, { recursive: true });
  const ports = { port: await freePort(), management: await freePort() };
  const logFile = join(logFolder, `${name}-${replica}.log`);
  const process = launch(options, ports, logFile);
  const url = `http://127.0.0.1:${ports.port}`;
  const lastLines = async (): Promise<string> => `\n${(await readFile(logFile, 'utf8').catch(() => '')).slice(-2_000)}`;
  const start = (): Promise<void> =>
    process.start().catch(async (cause: unknown) => {
      throw new Error(`${name} did not start: ${await lastLines()}`, { cause });
    });
  const ready = (): Promise<void> => waitUntilOk(`${url}/health/ready`, lastLines);
  await start();
  return {
    name,
    replica,
    url,
    managementUrl: `http://127.0.0.1:${ports.management}`,
    logFile,
    get pid() {
      return process.pid;
    },
    get exitCode() {
      return process.exitCode;
    },
    kill: (signal = 'SIGKILL') => (signal === 'SIGTERM' ? process.stop() : process.kill()),
    restart: async () => {
      await process.stop();
      await start();
      await ready();
    },
    pause: () => process.pause(),
    resume: () => process.resume(),
    ready,
  };
}
