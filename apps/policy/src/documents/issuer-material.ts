import { X509Certificate } from 'node:crypto';
import type { FieldError } from '@countersign/contracts';
import type { JwtIssuerDocument } from '@countersign/policy-engine';
import { intakeKeys } from '@countersign/tokens';

/** What is wrong with keys and certificates that stand in the document itself: nothing has to be fetched to tell. */
export const materialErrors = ({ spec }: Pick<JwtIssuerDocument, 'spec'>): FieldError[] => [
  ...keyErrors(spec.jwks),
  ...certificateErrors(spec.caCertificate),
];

/** Single keys may be unusable (that is a finding); a set without any good one would refuse every token. */
function keyErrors(jwks: JwtIssuerDocument['spec']['jwks']): FieldError[] {
  if (jwks === null) return [];
  const { keys, rejected } = intakeKeys(jwks);
  if (keys.length > 0) return [];
  const reasons = [...new Set(rejected.map(({ reason }) => reason))].join(', ') || 'none is for verifying';
  const message = `holds no key that could verify a token (${reasons}); use public RSA (2048 bits and more), EC or Ed25519 keys`;
  return [{ path: '/spec/jwks', code: 'no_usable_key', message }];
}

function certificateErrors(bundle: string | null): FieldError[] {
  const blocks = bundle?.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  const broken = blocks.findIndex((pem) => !isCertificate(pem));
  if (broken < 0) return [];
  const message = `certificate ${broken + 1} of ${blocks.length} cannot be read; give the CA's certificate as PEM`;
  return [{ path: '/spec/caCertificate', code: 'invalid_pem', message }];
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}
