import { createHmac } from 'node:crypto';

export interface OpenFaasDelivery {
  /** The same for every attempt. */
  id: string;
  event: { type: string };
  /** Written: all of it, with its prefix, is the key. */
  secret: string;
}

/**
 * A delivery as OpenFaaS makes them for its own events (docs.openfaas.com, "Webhook delivery headers"): a list of events,
 * and an HMAC-SHA256 of the body in hex. Nothing in it says when it was sent. Throws RangeError without a secret.
 */
export function openFaasMessage({ id, event, secret }: OpenFaasDelivery): {
  body: string;
  headers: Record<string, string>;
} {
  if (secret === '') throw new RangeError('a message is signed with a secret');
  const body = JSON.stringify([event]);
  const headers = {
    'content-type': 'application/json',
    'x-openfaas-event': event.type,
    'x-openfaas-delivery': id,
    'x-openfaas-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
  };
  return { body, headers };
}
