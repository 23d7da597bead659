const apiVersion = 'countersign.dev/v1';

export type Spec = Record<string, unknown>;

/** A JwtIssuer that accepts `https://sts.test` unless the spec says otherwise. */
export const jwtIssuer = (name: string, iss: string, spec: Spec = {}): object => ({
  apiVersion,
  kind: 'JwtIssuer',
  metadata: { name },
  spec: { iss, aud: ['https://sts.test'], ...spec },
});

export const role = (name: string, spec: Spec): object => ({ apiVersion, kind: 'Role', metadata: { name }, spec });

/** A Policy that allows the actions on the resources. */
export const policy = (name: string, action: string[], resource: string[]): object => ({
  apiVersion,
  kind: 'Policy',
  metadata: { name },
  spec: { statement: [{ sid: 'allow', effect: 'Allow', action, resource }] },
});

interface AcmeWeb {
  /** Further fields of the JwtIssuer. */
  spec?: Spec;
  /** What may be deployed; everything unless given. */
  resource?: string[];
}

/** Documents that let jobs of acme/web of this issuer deploy. */
export const acmeWeb = (iss: string, { spec = {}, resource = ['*'] }: AcmeWeb = {}): object[] => [
  jwtIssuer('github', iss, spec),
  policy('deploy', ['Function:Deploy'], resource),
  role('deployers', {
    policy: ['deploy'],
    condition: { StringEqual: { 'jwt:iss': [iss], 'jwt:repository_id': ['1001'] } },
  }),
];

/** Claims of a GitHub Actions job on main of acme/web; `jti` is new each time. */
export const githubClaims = (iss: string, changes: Record<string, unknown> = {}): Record<string, unknown> => {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss,
    aud: 'https://sts.test',
    sub: 'repo:acme/web:ref:refs/heads/main',
    repository: 'acme/web',
    repository_id: '1001',
    repository_owner: 'acme',
    repository_owner_id: '2002',
    ref: 'refs/heads/main',
    event_name: 'push',
    run_id: '42',
    iat: now,
    nbf: now - 300,
    exp: now + 300,
    jti: crypto.randomUUID(),
    ...changes,
  };
};
