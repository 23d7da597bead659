import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { DemoFailure } from './demo-http';

export interface Received {
  headers: IncomingHttpHeaders;
  /** As it came over the wire: what was signed. */
  body: string;
}

export interface Receiver {
  url: string;
  /** The first message whose body `wanted` accepts. */
  next: (wanted: (event: Record<string, unknown>) => boolean) => Promise<Received>;
  stop: () => Promise<void>;
}

const PATIENCE_MS = 60_000;

/** A webhook endpoint on loopback. */
export async function startReceiver(): Promise<Receiver> {
  const messages: Received[] = [];
  let arrived = (): void => undefined;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      messages.push({ headers: request.headers, body: Buffer.concat(chunks).toString('utf8') });
      response.writeHead(204).end();
      arrived();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const next: Receiver['next'] = (wanted) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new DemoFailure('expected: a webhook within a minute')), PATIENCE_MS);
      arrived = () => {
        const found = messages.find(({ body }) => wanted(JSON.parse(body) as Record<string, unknown>));
        if (found === undefined) return;
        clearTimeout(timer);
        resolve(found);
      };
      arrived();
    });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    next,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Standard Webhooks by hand: HMAC-SHA256 over `id.timestamp.body`, any of the `v1` signatures may hold. */
export function isSigned({ headers, body }: Received, secret: string, now: number): boolean {
  const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) =>
    String(headers[name]),
  );
  if (Math.abs(now - Number(timestamp)) > 300) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const wanted = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest();
  return (signatures ?? '').split(' ').some((signature) => {
    const given = Buffer.from(signature.replace(/^v1,/, ''), 'base64');
    return signature.startsWith('v1,') && given.length === wanted.length && timingSafeEqual(given, wanted);
  });
}

/** The same question to the public library. */
export function isSignedForLibrary({ headers, body }: Received, secret: string): boolean {
  try {
    new Webhook(secret).verify(body, headers as Record<string, string>);
    return true;
  } catch {
    return false;
  }
}
