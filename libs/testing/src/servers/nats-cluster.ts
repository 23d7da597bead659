import { startNats } from './nats';
import { freePort } from './server-process';
import type { TestServer } from './test-server';

export interface NatsCluster {
  /** In the order of their names: `n1`, `n2`, … */
  servers: TestServer[];
  /** All of them, separated by commas. */
  url: string;
  /** The one with a name, as a stream says its leader and its followers. */
  named(name: string): TestServer;
  stop(): Promise<void>;
}

/** Starts so many nats-servers as one cluster with JetStream, on the loopback interface. */
export async function startNatsCluster(size: number): Promise<NatsCluster> {
  const places = await Promise.all(
    Array.from({ length: size }, async (_, index) => ({ name: `n${index + 1}`, route: await freePort() })),
  );
  const routes = places.map(({ route }) => `"nats://127.0.0.1:${route}"`).join(', ');
  const configOf = ({ name, route }: { name: string; route: number }): string =>
    `server_name: ${name}\ncluster { name: test, listen: "127.0.0.1:${route}", routes: [${routes}] }`;
  const servers = await Promise.all(places.map((place) => startNats({ config: configOf(place) })));
  return {
    servers,
    url: servers.map(({ url }) => url).join(','),
    named: (name) => servers[Number(name.slice(1)) - 1] as TestServer,
    stop: async () => void (await Promise.all(servers.map((server) => server.stop()))),
  };
}
