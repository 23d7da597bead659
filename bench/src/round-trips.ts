import { startNats, startPostgres, startRedis } from '@countersign/testing';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import Redis from 'ioredis';
import { Pool } from 'pg';
import type { Row } from './figures';
import { percentile } from './http-load';
import type { Options } from './options';

/** One request to a server and its answer; the number makes keys different. */
type Trip = (number: number) => Promise<unknown>;

interface Trips {
  name: string;
  trip: Trip;
  stop: () => Promise<void>;
}

const VALUE = 'x'.repeat(600);

async function redisTrips(): Promise<Trips> {
  const server = await startRedis();
  const client = new Redis(server.url, { enableAutoPipelining: true });
  return {
    name: 'Redis SET NX',
    trip: (number) => client.set(`bench:${number}`, '1', 'EX', 600, 'NX'),
    stop: async () => {
      client.disconnect();
      await server.stop();
    },
  };
}

async function natsTrips(): Promise<Trips> {
  const server = await startNats();
  const [asking, answering] = await Promise.all([connect({ servers: server.url }), connect({ servers: server.url })]);
  answering.subscribe('bench.ask', { callback: (_, message) => void message.respond(message.data) });
  await answering.flush();
  return {
    name: 'NATS request',
    trip: () => asking.request('bench.ask', VALUE, { timeout: 10_000 }),
    stop: async () => {
      await Promise.all([asking.close(), answering.close()]);
      await server.stop();
    },
  };
}

async function jetStreamTrips(): Promise<Trips> {
  const server = await startNats();
  const connection = await connect({ servers: server.url });
  await (await jetstreamManager(connection)).streams.add({ name: 'BENCH', subjects: ['bench.event'] });
  const client = jetstream(connection);
  return {
    name: 'JetStream publish',
    trip: () => client.publish('bench.event', VALUE, { timeout: 10_000 }),
    stop: async () => {
      await connection.close();
      await server.stop();
    },
  };
}

async function postgresTrips(): Promise<Trips> {
  const server = await startPostgres();
  const pool = new Pool({ connectionString: server.url, max: 32 });
  pool.on('error', () => undefined);
  await pool.query('CREATE TABLE bench (id bigserial PRIMARY KEY, body text NOT NULL)');
  return {
    name: 'PostgreSQL INSERT',
    trip: () => pool.query({ name: 'insert', text: 'INSERT INTO bench (body) VALUES ($1)', values: [VALUE] }),
    stop: async () => {
      await pool.end();
      await server.stop();
    },
  };
}

async function time(
  trip: Trip,
  count: number,
  atOnce: number,
): Promise<{ rate: number; p50Ms: number; p99Ms: number }> {
  const latencies = new Float64Array(count);
  let next = 0;
  const one = async (): Promise<void> => {
    for (let number = next++; number < count; number = next++) {
      const since = performance.now();
      await trip(number);
      latencies[number] = performance.now() - since;
    }
  };
  const since = performance.now();
  await Promise.all(Array.from({ length: atOnce }, one));
  const rate = (count / (performance.now() - since)) * 1000;
  latencies.sort();
  return { rate, p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99) };
}

/** What one request to each of our servers costs at least, one after the other and 32 at a time. */
export async function roundTrips(part: string, { requests }: Options): Promise<Row[]> {
  const rows: Row[] = [];
  for (const start of [redisTrips, natsTrips, jetStreamTrips, postgresTrips]) {
    const { name, trip, stop } = await start();
    try {
      await time(trip, Math.ceil(requests / 4), 32);
      for (const concurrency of [1, 32]) {
        const shift = (number: number): Promise<unknown> => trip(number + concurrency * 10_000_000);
        const figures = await time(shift, requests, concurrency);
        rows.push({ part, what: name, conditions: { concurrency }, figures, cpuMicros: {} });
      }
    } finally {
      await stop();
    }
  }
  return rows;
}
