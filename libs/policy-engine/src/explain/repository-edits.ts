import type { Claims } from '../decisions';
import type { RepositoryPrincipal } from '../documents';
import { repositoryClaims } from '../shorthand/repository-platforms';
import { writeRepository } from '../shorthand/write-repository';
import type { DocumentEdit, ExplainedCheck } from './explanation';

/**
 * Names the repository of the request beside those of a principal, as narrowly as one can be named: with its ids, its
 * ref and its environment. None where ids are what differs: a repository of that name which is not the one that was
 * meant, a recreated one for instance, must not be let in by a suggestion.
 */
export function repositoryEdits(
  check: ExplainedCheck,
  [first]: readonly RepositoryPrincipal[],
  claims: Claims,
): DocumentEdit[] {
  if (first === undefined) return [];
  const { path, ref } = repositoryClaims[first.platform];
  const repository = repositoryIn(first.platform, claims);
  const mendable = [path, ref, 'environment'].map((claim) => `jwt:${claim}`);
  if (!check.present || !mendable.includes(check.key) || repository === null) return [];
  return [{ op: 'add', path: '/spec/principal/-', value: writeRepository(repository) }];
}

/** The repository of a token, by all that a principal can say of it. */
function repositoryIn(platform: RepositoryPrincipal['platform'], claims: Claims): RepositoryPrincipal | null {
  const names = repositoryClaims[platform];
  const textOf = (claim: string): string | null => {
    const value = claims[claim];
    return typeof value === 'string' ? value : null;
  };
  const path = textOf(names.path);
  const [repositoryId, ownerId] = [textOf(names.repositoryId), textOf(names.ownerId)];
  const ids =
    repositoryId === null || ownerId === null ? { repositoryId: null, ownerId: null } : { repositoryId, ownerId };
  return path === null ? null : { platform, path, ...ids, ref: textOf(names.ref), environment: textOf('environment') };
}
