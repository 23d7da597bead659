/** Platforms whose repositories or projects a principal may name. */
export const repositoryPlatforms = ['github', 'gitlab'] as const;
export type RepositoryPlatform = (typeof repositoryPlatforms)[number];

interface RepositoryClaims {
  /** The issuer that is meant when a role names none. */
  iss: string;
  path: string;
  owner: string;
  repositoryId: string;
  ownerId: string;
  /** The full ref, `refs/heads/main`. */
  ref: string;
  /** What started the job. */
  event: string;
  /** Events of code that is proposed and not merged yet: anybody with a fork may cause them. */
  proposals: readonly string[];
  /** The refs of such code. */
  proposedRefs: string;
  /** What `sub` begins with where the repository's path comes next. */
  subject: string;
}

/** Where the platforms' tokens say which repository a job belongs to. */
export const repositoryClaims: Record<RepositoryPlatform, RepositoryClaims> = {
  github: {
    iss: 'https://token.actions.githubusercontent.com',
    path: 'repository',
    owner: 'repository_owner',
    repositoryId: 'repository_id',
    ownerId: 'repository_owner_id',
    ref: 'ref',
    event: 'event_name',
    proposals: ['pull_request', 'pull_request_review', 'pull_request_review_comment'],
    proposedRefs: 'refs/pull/*',
    subject: 'repo:',
  },
  gitlab: {
    iss: 'https://gitlab.com',
    path: 'project_path',
    owner: 'namespace_path',
    repositoryId: 'project_id',
    ownerId: 'namespace_id',
    // `ref` of a merge request's pipeline is the source branch, which a fork may call `main`.
    ref: 'ref_path',
    event: 'pipeline_source',
    proposals: ['merge_request_event', 'external_pull_request_event'],
    proposedRefs: 'refs/merge-requests/*',
    subject: 'project_path:',
  },
};

/** The owner part of a path: `acme` of `acme/web`, `group/sub` of `group/sub/project`. */
export const ownerOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));
