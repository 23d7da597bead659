// An API that takes countersign's tokens and nothing else. Without an enforcement point's own token it knows what the
// caller is; with one (DECIDER_TOKEN) it also asks countersign what the caller may do.
// COUNTERSIGN_URL=https://sts.example.com AUDIENCE=https://deploy.example.com PORT=9100 node server.mjs
import { createServer } from 'node:http';
import { createDecider, createVerifier, Gate, identityOf } from '@countersign/resource-server';

const { COUNTERSIGN_URL, AUDIENCE, DECIDER_TOKEN, PORT = '9100' } = process.env;
const verifier = createVerifier({ issuer: COUNTERSIGN_URL, audience: AUDIENCE });

// Why a caller is refused is for us to know; it is told the OAuth error code.
const onRefused = (reason) => console.log(`refused: ${reason}`);
const decider = DECIDER_TOKEN && createDecider({ url: COUNTERSIGN_URL, token: DECIDER_TOKEN });
const serviceOf = (url) => /^\/deployments\/([a-z0-9-]+)$/.exec(url)?.[1];

const readers = new Gate({ verifier, onRefused, roles: ['shop-deployers', 'shop-readers'] });
const deployers = new Gate({
  verifier,
  onRefused,
  ...(decider && { decider }),
  permission: ({ url }) => ({ action: 'Deploy:Create', resource: `shop:${serviceOf(url)}` }),
});

const deployments = [];

/** Whom to let in, and what for; undefined where there is nothing. */
function routeOf({ method, url }) {
  if (method === 'GET' && url === '/deployments') return { gate: readers, work: () => [200, deployments] };
  const service = serviceOf(url);
  if (method === 'POST' && service !== undefined) return { gate: deployers, work: deploy };
}

function deploy(request) {
  const { subject, claims } = identityOf(request);
  const deployment = { service: serviceOf(request.url), by: subject, commit: claims.sha ?? null };
  deployments.push(deployment);
  return [201, deployment];
}

async function answer(request) {
  const route = routeOf(request);
  if (route === undefined) return [404, { error: 'not_found' }];
  const { method, url: target, headers } = request;
  const admission = await route.gate.admit(request, { method, target, headers });
  if (admission.ok) return route.work(request);
  const { status, body, headers: challenge } = admission.answer;
  return [status, body, challenge];
}

const server = createServer((request, response) => {
  answer(request)
    .catch(() => [500, { error: 'internal' }])
    .then(([status, body, headers = {}]) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(`${JSON.stringify(body)}\n`);
    });
});
server.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
