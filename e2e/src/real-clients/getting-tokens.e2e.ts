import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { generateKeyPair, exportJWK } from 'jose';
import * as oauth from 'oauth4webapi';
import * as client from 'openid-client';
import { createVerifier, Gate } from '@countersign/resource-server';
import { apply, claimsOf } from '../support/client';
import { jwtIssuer, role } from '../support/documents';
import { API, ClientSystem } from './client-system';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const JWT = 'urn:ietf:params:oauth:token-type:jwt';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const SUBJECT = 'github:repo:acme/web:ref:refs/heads/main';

let clients: ClientSystem;
beforeAll(async () => {
  clients = await ClientSystem.start();
});
afterAll(() => clients?.stop());

/** openid-client as its documentation sets it up; plain HTTP because the server is on the loopback interface. */
const discover = (clientId = 'job', auth: client.ClientAuth = client.None()): Promise<client.Configuration> =>
  client.discovery(new URL(clients.system.url), clientId, undefined, auth, { execute: [client.allowInsecureRequests] });

const subject = async (changes: Record<string, string> = {}): Promise<Record<string, string>> => ({
  subject_token: await clients.jobToken(),
  subject_token_type: JWT,
  ...changes,
});

/** An API that takes our tokens, under its own address. */
async function startGuardedApi(): Promise<{ url: URL; stop: () => void }> {
  const verifier = createVerifier({ issuer: clients.system.url, audience: API });
  const server = createServer((request, response) => {
    const { method = '', url: target = '', headers } = request;
    const gate = new Gate({ verifier, baseUrl: url.origin });
    void gate.admit(request, { method, target, headers }).then((admission) => {
      if (admission.ok) return response.end(admission.identity.subject);
      return response.writeHead(admission.answer.status, admission.answer.headers).end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/things?page=2`);
  return { url, stop: () => server.close() };
}

describe('openid-client', () => {
  test.each<['oidc' | 'oauth2']>([['oidc'], ['oauth2']])(
    'finds the token service through its %s metadata',
    async (algorithm) => {
      const options = { algorithm, execute: [client.allowInsecureRequests] };
      const config = await client.discovery(new URL(clients.system.url), 'job', undefined, client.None(), options);
      expect(config.serverMetadata()).toMatchObject({
        issuer: clients.system.url,
        token_endpoint: `${clients.system.url}/oauth2/token`,
      });
      expect(config.serverMetadata().supportsPKCE()).toBe(false);
    },
  );

  test('exchanges a job’s token (RFC 8693)', async () => {
    const answer = await client.genericGrantRequest(
      await discover(),
      EXCHANGE,
      await subject({ audience: API, scope: 'role:deployers' }),
    );
    expect(answer).toMatchObject({ token_type: 'bearer', issued_token_type: ACCESS_TOKEN, scope: 'role:deployers' });
    expect(answer.expiresIn()).toBeGreaterThan(800);
    expect(claimsOf(answer.access_token)).toMatchObject({ sub: SUBJECT, aud: API, roles: ['deployers'] });
  });

  test('asks for several audiences and resources by repeating them', async () => {
    const parameters = new URLSearchParams(await subject());
    for (const audience of [API, clients.system.url]) parameters.append('audience', audience);
    const answer = await client.genericGrantRequest(await discover(), EXCHANGE, parameters);
    expect(claimsOf(answer.access_token)['aud']).toEqual([API, clients.system.url]);
  });

  test('reads a refusal as what it is, and no more than its class', async () => {
    const refused = client.genericGrantRequest(
      await discover(),
      EXCHANGE,
      await subject({ audience: 'https://no.test' }),
    );
    await expect(refused).rejects.toMatchObject({
      error: 'invalid_target',
      error_description: 'target not allowed',
      status: 400,
    });
  });

  test('binds a token to its key and proves it at every use (RFC 9449)', async () => {
    const config = await discover();
    const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
    const bound = await client.genericGrantRequest(config, EXCHANGE, await subject(), { DPoP });
    expect(bound.token_type).toBe('dpop');
    expect(claimsOf(bound.access_token)['cnf']).toEqual({ jkt: await DPoP.calculateThumbprint() });
    const narrower = { subject_token: bound.access_token, subject_token_type: ACCESS_TOKEN };
    const narrowed = await client.genericGrantRequest(config, EXCHANGE, narrower, { DPoP });
    expect(narrowed.token_type).toBe('dpop');
    await expect(client.genericGrantRequest(config, EXCHANGE, narrower)).rejects.toMatchObject({
      error: 'invalid_request',
    });
  });

  test('calls an API that our library guards, with a proof for every call', async () => {
    const config = await discover();
    const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
    const bound = await client.genericGrantRequest(config, EXCHANGE, await subject({ audience: API }), { DPoP });
    const api = await startGuardedApi();
    const call = async (options?: client.DPoPOptions) => {
      const response = await client.fetchProtectedResource(
        config,
        bound.access_token,
        api.url,
        'GET',
        null,
        undefined,
        options,
      );
      return response.text();
    };
    expect([await call({ DPoP }), await call({ DPoP })]).toEqual([SUBJECT, SUBJECT]);
    await expect(call()).rejects.toMatchObject({
      status: 401,
      cause: [{ scheme: 'dpop', parameters: { error: 'invalid_token' } }],
    });
    api.stop();
  });

  test('is a client with a key of its own: private_key_jwt for client credentials (RFC 7523 §2.2)', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'robot-1', alg: 'ES256', use: 'sig' }] };
    // A client's assertion names the client as its issuer: the client is a trusted issuer with keys given once.
    await apply(clients.system, [
      jwtIssuer('robots', 'robot', { aud: [clients.system.url], jwks }),
      role('robot', { policy: ['deploy'], audience: [API], condition: { StringEqual: { 'jwt:iss': ['robot'] } } }),
    ]);
    const config = await discover('robot', client.PrivateKeyJwt({ key: privateKey, kid: 'robot-1' }));
    const answer = await client.clientCredentialsGrant(config, { resource: API });
    expect(answer.token_type).toBe('bearer');
    expect(claimsOf(answer.access_token)).toMatchObject({ sub: 'robots:robot', aud: API, roles: ['robot'] });
    const stranger = await generateKeyPair('ES256');
    const forged = await discover('robot', client.PrivateKeyJwt({ key: stranger.privateKey, kid: 'robot-1' }));
    await expect(client.clientCredentialsGrant(forged, { resource: API })).rejects.toMatchObject({
      error: 'invalid_client',
    });
  });
});

describe('openid-client as a resource server', () => {
  /** It authenticates with a bearer token of its own (RFC 7662 §2.1), which openid-client leaves to the application. */
  const asResourceServer = () =>
    discover('api', (_server, _client, _body, headers) =>
      headers.set('authorization', `Bearer ${clients.system.adminToken}`),
    );
  const issued = async () => client.genericGrantRequest(await discover(), EXCHANGE, await subject({ audience: API }));

  test('learns whether a token counts, until its holder revokes it (RFC 7662, RFC 7009)', async () => {
    const { access_token: token } = await issued();
    const config = await asResourceServer();
    expect(await client.tokenIntrospection(config, token)).toMatchObject({
      active: true,
      sub: SUBJECT,
      aud: API,
      token_type: 'Bearer',
      roles: ['deployers'],
    });
    await client.tokenRevocation(await discover(), token);
    expect(await client.tokenIntrospection(config, token)).toEqual({ active: false });
    await expect(client.tokenRevocation(await discover(), 'no-token-of-ours')).resolves.toBeUndefined();
  });

  test('sees the key that a token is bound to', async () => {
    const config = await discover();
    const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
    const { access_token: token } = await client.genericGrantRequest(config, EXCHANGE, await subject(), { DPoP });
    const cnf = { jkt: await DPoP.calculateThumbprint() };
    expect(await client.tokenIntrospection(await asResourceServer(), token)).toMatchObject({ token_type: 'DPoP', cnf });
  });

  test('is told nothing without credentials', async () => {
    const { access_token: token } = await issued();
    await expect(client.tokenIntrospection(await discover(), token)).rejects.toMatchObject({ status: 401 });
  });
});

describe('oauth4webapi', () => {
  const insecure = { [oauth.allowInsecureRequests]: true };

  test('presents a job’s token as assertion (RFC 7523 §2.1)', async () => {
    const issuer = new URL(clients.system.url);
    const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure });
    const server = await oauth.processDiscoveryResponse(issuer, response);
    const own = { client_id: 'job' };
    const request = async (assertion: string) =>
      oauth.processGenericTokenEndpointResponse(
        server,
        own,
        await oauth.genericTokenEndpointRequest(server, own, oauth.None(), JWT_BEARER, { assertion }, insecure),
      );
    const assertion = await clients.jobToken();
    const answer = await request(assertion);
    expect(answer.token_type).toBe('bearer');
    expect(claimsOf(answer.access_token)).toMatchObject({ sub: SUBJECT, aud: clients.system.url });
    await expect(request(assertion)).rejects.toMatchObject({ error: 'invalid_grant' });
  });
});

/** A program of its own, as users run it: both libraries load ES modules in ways that the test runner does not know. */
async function runProgram(script: string, env: Record<string, string>, ...args: string[]): Promise<[string, string]> {
  const options = { env: { PATH: process.env['PATH'] ?? '', ...env }, cwd: __dirname };
  const finished = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, ...args], options);
  return [finished.stdout, finished.stderr];
}

describe('google-auth-library, by application default credentials', () => {
  const getToken = async (
    source: object,
    { path = '/oauth/token', scopes }: { path?: string; scopes?: string[] } = {},
  ) => {
    const file = join(clients.dataDir, `credentials-${crypto.randomUUID()}.json`);
    const credentials = {
      type: 'external_account',
      audience: API,
      subject_token_type: JWT,
      token_url: clients.system.url + path,
      credential_source: source,
    };
    await writeFile(file, JSON.stringify(credentials));
    const script = `import { GoogleAuth } from 'google-auth-library';
      const client = new GoogleAuth(JSON.parse(process.argv[1])).getClient();
      const headers = client.then((found) => found.getRequestHeaders('https://api.example.com'));
      process.stdout.write(await headers.then((all) => all.get('authorization'), (error) => error.message));`;
    // With a project given it asks nobody at Google for one.
    const env = { GOOGLE_APPLICATION_CREDENTIALS: file, GOOGLE_CLOUD_PROJECT: 'acme' };
    const [output] = await runProgram(script, env, JSON.stringify({ scopes }));
    return output;
  };
  const fileSource = async () => {
    const file = join(clients.dataDir, `token-${crypto.randomUUID()}`);
    await writeFile(file, await clients.jobToken());
    return { file };
  };
  const urlSource = () => ({
    url: `${clients.runner.url}&audience=${encodeURIComponent(clients.system.url)}`,
    headers: { Authorization: `Bearer ${clients.runner.requestToken}` },
    format: { type: 'json', subject_token_field_name: 'value' },
  });
  const grantedBy = (header: string) =>
    header.startsWith('Bearer ') ? claimsOf(header.slice(7)) : { refused: header };
  const granted = { sub: SUBJECT, aud: API, roles: ['deployers'] };

  test.each<[string, () => object | Promise<object>]>([
    ['a file', fileSource],
    ['the runner’s URL, as google-github-actions/auth writes it', urlSource],
  ])('exchanges the token out of %s', async (_, source) => {
    expect(grantedBy(await getToken(await source()))).toMatchObject(granted);
  });

  test('fits the strict endpoint once it asks for no scope of Google’s', async () => {
    expect(await getToken(urlSource(), { path: '/oauth2/token' })).toContain('invalid_scope');
    expect(grantedBy(await getToken(urlSource(), { path: '/oauth2/token', scopes: [] }))).toMatchObject(granted);
  });
});

describe('@actions/core', () => {
  const getIdToken = async (audience: string): Promise<{ token: string; output: string }> => {
    const script = `import { getIDToken } from '@actions/core';
      process.stderr.write(await getIDToken(process.argv[1]));`;
    const env = {
      ACTIONS_ID_TOKEN_REQUEST_URL: clients.runner.url,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: clients.runner.requestToken,
    };
    const [output, token] = await runProgram(script, env, audience);
    return { token, output };
  };

  test('gets the job’s token, which is exchanged once', async () => {
    const { token, output } = await getIdToken(clients.system.url);
    expect(output).toContain('::add-mask::');
    const config = await discover();
    const exchange = () =>
      client.genericGrantRequest(config, EXCHANGE, { subject_token: token, subject_token_type: JWT, audience: API });
    expect(claimsOf((await exchange()).access_token)).toMatchObject({ sub: SUBJECT, aud: API });
    await expect(exchange()).rejects.toMatchObject({ error_description: 'token already used' });
  });

  test('without the right audience gets a token that is good for nothing here', async () => {
    const { token } = await getIdToken('https://elsewhere.example');
    const exchange = client.genericGrantRequest(await discover(), EXCHANGE, {
      subject_token: token,
      subject_token_type: JWT,
    });
    await expect(exchange).rejects.toMatchObject({ error_description: 'audience not accepted' });
  });
});

describe('a client of IAM for OpenFaaS', () => {
  test('sends its audiences by repetition and scopes of its own', async () => {
    const form = new URLSearchParams({
      grant_type: EXCHANGE,
      subject_token: await clients.jobToken(),
      subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
      scope: 'openid profile',
      client_id: 'faas-cli',
    });
    for (const audience of [API, clients.system.url]) form.append('audience', audience);
    const response = await fetch(`${clients.system.url}/oauth/token`, { method: 'POST', body: form });
    const answer = (await response.json()) as { access_token: string; token_type: string; expires_in: number };
    expect(response.status).toBe(200);
    expect(answer).toMatchObject({ token_type: 'Bearer', issued_token_type: ACCESS_TOKEN, expires_in: 900 });
    expect(claimsOf(answer.access_token)).toMatchObject({ aud: [API, clients.system.url], policy: ['deploy'] });
  });
});
