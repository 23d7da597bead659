import { eventually } from '../waiting';
import type { ServerProcess } from './server-process';

/** A server of a test: a process of our own, or one that the environment names and that is never stopped by us. */
export interface TestServer {
  /** Without credentials. */
  url: string;
  port: number;
  /** Throws while it does not run. */
  readonly pid: number;
  /** Ends it in order and removes its temporary files. */
  stop(): Promise<void>;
  /** Ends it at once, keeping its files. */
  kill(): Promise<void>;
  /** Starts it again on the same port and files, after `kill()` or while it runs. */
  restart(): Promise<void>;
  /** Freezes it until `resume()`. */
  pause(): void;
  resume(): void;
}

export interface ServerPlace {
  url: string;
  port: number;
  cleanUp: () => Promise<void>;
}

/** Starts the process and hands out its controls. */
export async function serverOn(server: ServerProcess, { url, port, cleanUp }: ServerPlace): Promise<TestServer> {
  try {
    await server.start();
  } catch (error) {
    await cleanUp();
    throw error;
  }
  return {
    url,
    port,
    get pid() {
      return server.pid;
    },
    stop: async () => {
      await server.stop();
      await cleanUp();
    },
    kill: () => server.kill(),
    restart: async () => {
      await server.stop();
      // What a killed server had started holds its files for a moment longer.
      await eventually(() => server.start());
    },
    pause: () => server.pause(),
    resume: () => server.resume(),
  };
}

/** A server that was there before: a throw-away one, but not ours to stop. */
export function externalServer(url: string): TestServer {
  const refuse = (): never => {
    throw new Error(`${url} comes from the environment: this test needs a server that it may stop`);
  };
  return {
    url,
    port: Number(new URL(url).port),
    get pid() {
      return refuse();
    },
    stop: async () => undefined,
    kill: async () => refuse(),
    restart: async () => refuse(),
    pause: refuse,
    resume: refuse,
  };
}
