import { stringify } from 'yaml';

/** The JwtIssuer document that makes countersign trust the local issuer. */
export function issuerDocument(iss: string, audiences: readonly string[]): string {
  return stringify({
    apiVersion: 'countersign.dev/v1',
    kind: 'JwtIssuer',
    metadata: { name: 'github-dev' },
    spec: { iss, aud: audiences, platform: 'github' },
  });
}
