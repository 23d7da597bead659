import { readFileSync } from 'node:fs';
import { usageFailure } from '../failure';

type Claims = Record<string, unknown>;

/** What a push to the main branch of acme/shop looks like in a GitHub Actions token; every value is a string there. */
const pushClaims: Claims = {
  actor: 'octocat',
  actor_id: '1001',
  base_ref: '',
  event_name: 'push',
  head_ref: '',
  job_workflow_ref: 'acme/shop/.github/workflows/deploy.yml@refs/heads/main',
  ref: 'refs/heads/main',
  ref_protected: 'true',
  ref_type: 'branch',
  repository: 'acme/shop',
  repository_id: '700001',
  repository_owner: 'acme',
  repository_owner_id: '600001',
  repository_visibility: 'private',
  run_attempt: '1',
  run_id: '90000001',
  run_number: '7',
  runner_environment: 'github-hosted',
  sha: '3f1c6a0d9be24c7fb0f3a3c1d5e6f708192a3b4c',
  workflow: 'deploy',
  workflow_ref: 'acme/shop/.github/workflows/deploy.yml@refs/heads/main',
};

/** Set anew in every token, whatever a recorded claims file says. */
const perToken = ['iss', 'aud', 'iat', 'nbf', 'exp', 'jti'];

/**
 * The claims of the next token: a push, changed by what `overrides` names, and the `sub` that GitHub makes of them.
 * Source: the OIDC reference of GitHub Actions.
 */
export function githubClaims(overrides: Claims): Claims {
  const kept = Object.entries(overrides).filter(([name]) => !perToken.includes(name));
  const claims: Claims = { ...pushClaims, ...Object.fromEntries(kept) };
  return { sub: subjectOf(claims), ...claims };
}

function subjectOf({ repository, environment, event_name, ref }: Claims): string {
  if (typeof environment === 'string') return `repo:${String(repository)}:environment:${environment}`;
  if (event_name === 'pull_request') return `repo:${String(repository)}:pull_request`;
  return `repo:${String(repository)}:ref:${String(ref)}`;
}

/** The audience that GitHub takes when the job names none. */
export const defaultAudience = (claims: Claims): string => `https://github.com/${String(claims['repository_owner'])}`;

/** Reads a claims file: one JSON object. */
export function readClaims(path: string | undefined): Claims {
  if (path === undefined) return {};
  let claims: unknown;
  try {
    claims = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    throw usageFailure(`cannot read ${path} as JSON`);
  }
  if (typeof claims === 'object' && claims !== null && !Array.isArray(claims)) return claims as Claims;
  throw usageFailure(`${path} must hold one JSON object of claims`);
}
