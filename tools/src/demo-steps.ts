import type { CloudEvent, ExchangeEventData } from '@countersign/contracts';
import { demoDocuments, demoResources } from './demo-documents';
import { eventually, expectThat, type DemoClient } from './demo-http';
import type { DemoJob } from './demo-job';
import { abbreviate, printData, printNote, printRequest, printStep } from './demo-print';
import { isSigned, isSignedForLibrary, type Receiver } from './demo-webhook';

const TYPES = ['dev.countersign.exchange.granted.v1', 'dev.countersign.exchange.denied.v1'];

/** Writes the three documents; a second time nothing changes. */
export async function applyDocuments(client: DemoClient, iss: string): Promise<void> {
  printStep('Trust that issuer, and say what its jobs may do');
  const documents = demoDocuments(iss, client.url);
  printNote('JwtIssuer demo-github, Policy demo-deploy-shop, Role demo-main-branch');
  const call = { method: 'POST', path: '/v1/apply', body: documents, contentType: 'application/yaml' };
  const first = await client.call(call);
  expectThat(first.status === 200, 'the documents are in force');
  const again = await client.call({ ...call, quiet: true });
  expectThat(again.body['revision'] === first.body['revision'], 'applied again, nothing changes');
}

/** Registers the endpoint; answers with its id and secret. */
export async function registerWebhook(client: DemoClient, url: string): Promise<{ id: string; secret: string }> {
  printStep('Subscribe to what happens');
  const { status, body } = await client.call({ method: 'POST', path: '/v1/webhooks', body: { url, types: TYPES } });
  expectThat(status === 201, 'the endpoint is registered, its secret is shown this once');
  return { id: String(body['id']), secret: String(body['secret']) };
}

/** What GitHub does when a job asks for its identity. */
export async function mintJobToken(job: DemoJob, audience: string): Promise<string> {
  printStep('A job on main asks its platform for a token');
  printRequest(`GET ${job.requestUrl}&audience=${audience}`);
  const token = await job.mint(audience);
  const { sub, repository, ref, event_name, jti } = claimsOf(token);
  printData({ sub, repository, ref, event_name, jti });
  printNote(`the token itself: ${abbreviate(token)}`);
  return token;
}

const exchangeForm = (subjectToken: string): URLSearchParams =>
  new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: subjectToken,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  });

/** The exchange; answers with the access token. */
export async function exchangeToken(client: DemoClient, subjectToken: string): Promise<string> {
  printStep('The job exchanges it; no secret was stored anywhere');
  const call = { method: 'POST', path: '/oauth2/token', body: exchangeForm(subjectToken), admin: false };
  const { status, body } = await client.call(call);
  expectThat(status === 200 && typeof body['access_token'] === 'string', 'a countersign token was issued');
  return String(body['access_token']);
}

/** Shows what the issued token says. */
export function showIssuedToken(client: DemoClient, accessToken: string): void {
  printStep('What the issued token says');
  const claims = claimsOf(accessToken);
  printData(claims);
  expectThat(claims['iss'] === client.url, `it was issued by ${client.url}`);
  expectThat(String(claims['policy']) === 'demo-deploy-shop', 'it names the policies that apply, not their text');
}

/** An enforcement point asks: AuthZEN evaluations, one allowed, one not covered, one under an explicit Deny. */
export async function askDecisions(client: DemoClient, accessToken: string): Promise<void> {
  printStep('A service that got this token asks what it may do');
  const cases = [
    { action: 'Deploy:Create', type: 'shop', decision: true },
    { action: 'Deploy:Create', type: 'billing', decision: false },
    { action: 'Deploy:Delete', type: 'shop', decision: false },
  ];
  for (const { action, type, decision } of cases) {
    const { status, body } = await client.call({
      method: 'POST',
      path: '/access/v1/evaluation',
      body: {
        subject: { type: 'access_token', id: accessToken },
        action: { name: action },
        resource: { type, id: 'production' },
      },
    });
    const allowed = decision ? 'allowed' : 'not allowed';
    expectThat(status === 200 && body['decision'] === decision, `${action} on ${type}:production is ${allowed}`);
  }
}

/** The audit event of the exchange; answers with its id. */
export async function showAuditEvent(client: DemoClient, accessToken: string): Promise<string> {
  printStep('What the trail has about it');
  const { jti } = claimsOf(accessToken);
  const path = `/v1/events?type=${TYPES[0]}&issuer=demo-github&limit=10`;
  const event = await eventually('the event of this exchange', async () => {
    const { body } = await client.call({ method: 'GET', path, quiet: true });
    const items = (body['items'] ?? []) as (CloudEvent & { data: ExchangeEventData })[];
    return items.find(({ data }) => data.token?.jti === jti);
  });
  printRequest(`GET ${path}`);
  const { claims, ...data } = event.data;
  printData({ ...event, data: { ...data, claims: `${Object.keys(claims ?? {}).length} verified claims` } });
  expectThat(event.subject === 'demo-github:repo:acme/shop:ref:refs/heads/main', 'it says who');
  expectThat(!JSON.stringify(event).includes('eyJ'), 'it holds no token');
  return event.id;
}

/** The webhook of that event, its signature checked twice. */
export async function showWebhook(receiver: Receiver, secret: string, eventId: string): Promise<void> {
  printStep('The same event, delivered to the subscriber');
  const message = await receiver.next(({ id }) => id === eventId);
  printRequest(`POST ${new URL(receiver.url).pathname}`);
  for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature']) {
    printNote(`${name}: ${String(message.headers[name])}`);
  }
  const now = Math.floor(Date.now() / 1000);
  expectThat(isSigned(message, secret, now), 'the signature holds: HMAC-SHA256 over id.timestamp.body');
  expectThat(isSignedForLibrary(message, secret), 'npm standardwebhooks says the same');
  const forged = { ...message, body: message.body.replace('granted', 'denied') };
  expectThat(!isSigned(forged, secret, now), 'with one word changed it does not hold');
}

/** The same subject token a second time. */
export async function exchangeAgain(client: DemoClient, subjectToken: string): Promise<void> {
  printStep('Somebody who stole the first token tries it');
  const call = { method: 'POST', path: '/oauth2/token', body: exchangeForm(subjectToken), admin: false };
  const { status, body } = await client.call(call);
  const refused = status === 400 && body['error_description'] === 'token already used';
  expectThat(refused && body['access_token'] === undefined, 'refused: it was used already');
}

/** Takes away what the demo brought to a running system. */
export async function cleanUp(client: DemoClient, webhookId: string): Promise<void> {
  const paths = [`/v1/webhooks/${webhookId}`, ...demoResources.map((resource) => `/v1/resources/${resource}`)];
  for (const path of paths) await client.call({ method: 'DELETE', path, quiet: true });
}

function claimsOf(token: string): Record<string, unknown> {
  const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8');
  return JSON.parse(payload) as Record<string, unknown>;
}
