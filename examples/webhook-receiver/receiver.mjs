// Receives countersign's events and believes only those that are signed (Standard Webhooks), recent and new.
// WEBHOOK_SECRET=whsec_… PORT=9000 node receiver.mjs
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const TOLERANCE_SECONDS = 300;
const MAX_BYTES = 256 * 1024;

/** Throws unless one of the `v1` signatures is an HMAC-SHA256 of `id.timestamp.body` under the secret. */
export function verify(headers, body, secret, now = Date.now() / 1000) {
  const id = headers['webhook-id'];
  const timestamp = headers['webhook-timestamp'];
  if (!id || !/^\d+$/.test(timestamp ?? '')) throw new Error('headers are missing');
  if (Math.abs(now - Number(timestamp)) > TOLERANCE_SECONDS) throw new Error('too old or from the future');
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const wanted = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
  // Two signatures while a secret is being rotated: either will do.
  const matches = (headers['webhook-signature'] ?? '').split(' ').some((part) => {
    const [version, signature] = part.split(',');
    const given = Buffer.from(signature ?? '', 'base64');
    return version === 'v1' && given.length === wanted.length && timingSafeEqual(given, wanted);
  });
  if (!matches) throw new Error('the signature does not hold');
}

const seen = new Set();

async function receive(request, response) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BYTES) return response.writeHead(413).end();
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  try {
    verify(request.headers, body, process.env.WEBHOOK_SECRET ?? '');
  } catch (error) {
    console.log(`refused: ${error.message}`);
    return response.writeHead(401).end();
  }
  const event = JSON.parse(body.toString('utf8'));
  // A message may come twice; its id tells. A real receiver keeps the ids where a restart does not lose them.
  // Subjects are words of strangers: as JSON they cannot forge a line of the log.
  if (!seen.has(event.id)) console.log(JSON.stringify({ type: event.type, subject: event.subject, id: event.id }));
  seen.add(event.id);
  // Answer fast, work later: an answer that takes too long counts as a failure and is tried again.
  response.writeHead(204).end();
}

const server = createServer((request, response) => {
  receive(request, response).catch(() => response.writeHead(500).end());
});
server.listen(Number(process.env.PORT ?? 9000), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
