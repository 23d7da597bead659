import type { Condition, RepositoryPrincipal, RoleSpec } from '../documents';
import { ownerOf, repositoryClaims, type RepositoryPlatform } from './repository-platforms';

/** A repository principal in the condition language. `condition` is the role's own: what it says comes first. */
const expandRepository = (repository: RepositoryPrincipal, condition: Condition): Condition => ({
  StringEqual: {
    [`jwt:${repositoryClaims[repository.platform].path}`]: [repository.path],
    ...namedBeside(repository)['StringEqual'],
  },
  ...(listsEvents(repository, condition) ? {} : withoutProposals(repository.platform, repository.ref !== null)),
});

/** What a principal names beside the path, which is what it is found by. */
export function namedBeside({
  platform,
  path,
  repositoryId,
  ownerId,
  ref,
  environment,
}: RepositoryPrincipal): Condition {
  const claims = repositoryClaims[platform];
  return {
    StringEqual: {
      [`jwt:${claims.owner}`]: [ownerOf(path)],
      ...optional(claims.repositoryId, repositoryId),
      ...optional(claims.ownerId, ownerId),
      ...optional(claims.ref, ref),
      ...optional('environment', environment),
    },
  };
}

const optional = (claim: string, value: string | null) => (value === null ? {} : { [`jwt:${claim}`]: [value] });

/** A role that lists the events it wants says by that whether it wants proposed code. */
export const listsEvents = ({ platform }: RepositoryPrincipal, condition: Condition): boolean =>
  condition['StringEqual']?.[`jwt:${repositoryClaims[platform].event}`] !== undefined;

/** Keeps code out that is proposed and not merged yet; a ref that is named says by itself which code is meant. */
export function withoutProposals(platform: RepositoryPlatform, namesRef: boolean): Condition {
  const claims = repositoryClaims[platform];
  return {
    StringNotEqualIfExists: { [`jwt:${claims.event}`]: [...claims.proposals] },
    ...(namesRef ? {} : { StringNotLikeIfExists: { [`jwt:${claims.ref}`]: [claims.proposedRefs] } }),
  };
}

/** The condition with the platform's public issuer where it lists none. */
export function withIssuer(condition: Condition, repositories: readonly RepositoryPrincipal[]): Condition {
  const [first] = repositories;
  if (!first) return condition;
  const { iss } = repositoryClaims[first.platform];
  return { ...condition, StringEqual: { 'jwt:iss': [iss], ...condition['StringEqual'] } };
}

/** What all repositories of a role's principal have in common, as a condition; the values are those of any of them. */
export function commonCondition({
  repositories = [],
  condition,
}: Pick<RoleSpec, 'repositories' | 'condition'>): Condition {
  const [first = {}, ...others] = repositories.map((repository) => expandRepository(repository, condition));
  const shared = Object.entries(first).map(([operator, keys]) => {
    const common = Object.entries(keys).filter(([key]) =>
      others.every((other) => other[operator]?.[key] !== undefined),
    );
    const anyOf = common.map(([key, values]) => [
      key,
      [...new Set([...values, ...others.flatMap((other) => other[operator]?.[key] ?? [])])],
    ]);
    return [operator, Object.fromEntries(anyOf) as Record<string, string[]>] as const;
  });
  return Object.fromEntries(shared.filter(([, keys]) => Object.keys(keys).length > 0));
}
