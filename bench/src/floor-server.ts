import { createPublicKey, generateKeyPairSync, sign, verify, type JsonWebKey, type KeyObject } from 'node:crypto';
import { createServer } from 'node:http';
import { AUDIENCE } from './exchange-form';

const { ISSUER = '', PORT = '' } = process.env;
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const HEADER = encode({ alg: 'ES256', typ: 'at+jwt', kid: 'floor' });

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

const decode = (text: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(text, 'base64url').toString()) as Record<string, unknown>;

/** @throws Error unless the token is good now */
function verified(token: string, key: KeyObject): Record<string, unknown> {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const claims = decode(payload);
  const { iss, aud, exp } = claims;
  if (decode(header)['alg'] !== 'RS256' || iss !== ISSUER || aud !== AUDIENCE) throw new Error('another token');
  if (Number(exp) * 1000 < Date.now()) throw new Error('expired');
  if (!verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url')))
    throw new Error('forged');
  return claims;
}

/** One exchange with nothing around the cryptography: no replay check, no decision, no record. */
function exchange(form: string, key: KeyObject): string {
  const { sub, jti } = verified(new URLSearchParams(form).get('subject_token') ?? '', key);
  const iat = Math.floor(Date.now() / 1000);
  const input = `${HEADER}.${encode({ iss: 'floor', sub, aud: 'shop', iat, exp: iat + 600, jti })}`;
  const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return JSON.stringify({
    access_token: `${input}.${signature.toString('base64url')}`,
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    token_type: 'Bearer',
    expires_in: 600,
  });
}

async function main(): Promise<void> {
  const { keys } = (await (await fetch(`${ISSUER}/jwks`)).json()) as { keys: JsonWebKey[] };
  const key = createPublicKey({ key: keys[0] ?? {}, format: 'jwk' });
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('latin1');
    request.on('data', (part: string) => (body += part));
    request.on('end', () => {
      const answer = request.url === '/token' ? exchange(body, key) : '{"decision":true}';
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length }).end(answer);
    });
  });
  server.listen(Number(PORT), '127.0.0.1');
}

void main();
