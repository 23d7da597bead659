import { generateKeyPairSync } from 'node:crypto';
import type { JwtIssuerDocument } from '@countersign/policy-engine';
import { materialErrors } from './issuer-material';

/** Made with `openssl req -x509 -newkey ec -days 36500`; its key is gone. */
const certificate = `-----BEGIN CERTIFICATE-----
MIIBlDCCATmgAwIBAgIUNEEdAmnjU1HqSqKy9JxOtMc4btwwCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTY291bnRlcnNpZ24gdGVzdCBDQTAgFw0yNjExMjAxODM0NTBa
GA8yMTI2MTAyNzE4MzQ1MFowHjEcMBoGA1UEAwwTY291bnRlcnNpZ24gdGVzdCBD
QTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABL69OekQdvt9QzTK1f5NylH3/QoH
Jy9l1oZOco4iEJWne4Fo7PYMrm790n6KMYcqeLqqcKd2GmLfe7x4Zub0/KSjUzBR
MB0GA1UdDgQWBBR/RV7nFSqzQqSDHfeCGpgSv9YX7zAfBgNVHSMEGDAWgBR/RV7n
FSqzQqSDHfeCGpgSv9YX7zAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kA
MEYCIQClzOYZdm/T4hSfDl0X+bkN4G4rXqvX+HPJ+b1xLd0GLgIhAMqjMwbXRZ3G
5BobvrNyDVG/vBrD55Olvp4aKNjfvMy8
-----END CERTIFICATE-----`;

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const good = { ...publicKey.export({ format: 'jwk' }), kid: 'good' };
const weak = { kty: 'RSA', kid: 'weak', n: 'AQ', e: 'AQAB' };

const errorsOf = (spec: Partial<JwtIssuerDocument['spec']>) =>
  materialErrors({ spec: { jwks: null, caCertificate: null, ...spec } as JwtIssuerDocument['spec'] });

describe('keys and certificates that stand in the document', () => {
  it.each<[string, object[]]>([
    ['a good key', [good]],
    ['a good key among others', [weak, good]],
  ])('%s can be used', (_, keys) => {
    expect(errorsOf({ jwks: { keys: keys as Record<string, unknown>[] } })).toEqual([]);
  });

  it.each<[string, object[], string]>([
    ['a weak key', [weak], 'key_size'],
    ['a point off its curve', [{ ...good, x: good.y, y: good.x }], 'key_form'],
    ['a key of another type', [{ kty: 'AKP', alg: 'ML-DSA-44', pub: 'AA' }], 'key_type'],
    ['a key for encryption alone', [{ ...good, use: 'enc' }], 'none is for verifying'],
    ['one kid for two keys', [good, { ...good, x: good.x, alg: 'ES256' }], 'kid_ambiguous'],
  ])('%s alone is refused, with the reason', (_, keys, reason) => {
    const [error, ...others] = errorsOf({ jwks: { keys: keys as Record<string, unknown>[] } });
    expect(others).toEqual([]);
    expect(error).toMatchObject({
      path: '/spec/jwks',
      code: 'no_usable_key',
      message: expect.stringContaining(reason),
    });
  });

  it('certificates are read, all of a bundle', () => {
    expect(errorsOf({ caCertificate: `# ours\n${certificate}\n${certificate}` })).toEqual([]);
    const broken = certificate.replace(/[A-Za-z]{20}/, 'A'.repeat(20));
    expect(errorsOf({ caCertificate: `${certificate}\n${broken}` })).toMatchObject([
      { path: '/spec/caCertificate', code: 'invalid_pem', message: expect.stringMatching(/^certificate 2 of 2 /) },
    ]);
  });
});
