import { createServer, type Server } from 'node:http';
import type { Metrics } from './metrics';
import type { Readiness } from './health';

/** Serves `/metrics` and `/health` (dependencies by name) on a port of its own, for operators only. */
export async function startManagementServer(port: number, metrics: Metrics, readiness: Readiness): Promise<Server> {
  const server = createServer((request, response) => {
    void answer(request.url ?? '/', metrics, readiness).then(({ status, type, body }) => {
      response.writeHead(status, { 'content-type': type }).end(body);
    });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, resolve));
  return server;
}

async function answer(path: string, metrics: Metrics, readiness: Readiness) {
  if (path === '/metrics') {
    const { checks } = await readiness.report();
    for (const [check, state] of Object.entries(checks)) metrics.checks.set({ check }, state === 'ok' ? 1 : 0);
    return { status: 200, type: metrics.registry.contentType, body: await metrics.registry.metrics() };
  }
  if (path !== '/health') return { status: 404, type: 'text/plain', body: 'not found\n' };
  const report = await readiness.report();
  return { status: report.ready ? 200 : 503, type: 'application/json', body: JSON.stringify(report) };
}
