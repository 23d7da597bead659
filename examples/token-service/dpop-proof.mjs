// Prints a DPoP proof (RFC 9449) with the key in the file KEY, which is made when it is not there.
// KEY=key.pem node dpop-proof.mjs POST https://sts.example.com/oauth2/token [file with the access token]
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const [method, url, tokenFile] = process.argv.slice(2);
const keyFile = process.env.KEY ?? 'dpop-key.pem';

if (!existsSync(keyFile)) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
}
const key = createPrivateKey(readFileSync(keyFile));
const { kty, crv, x, y } = createPublicKey(key).export({ format: 'jwk' });

const header = { alg: 'ES256', typ: 'dpop+jwt', jwk: { kty, crv, x, y } };
const claims = { jti: randomUUID(), htm: method, htu: url, iat: Math.floor(Date.now() / 1000) };
// With an access token the proof is for that one alone.
if (tokenFile) claims.ath = createHash('sha256').update(readFileSync(tokenFile)).digest('base64url');

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const input = `${encode(header)}.${encode(claims)}`;
const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
process.stdout.write(`${input}.${signature}`);
