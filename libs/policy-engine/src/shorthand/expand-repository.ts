import type { Condition, RepositoryPrincipal, RoleSpec } from '../documents';
import { ownerOf, repositoryClaims } from './repository-platforms';

/** A repository principal in the condition language. `condition` is the role's own: what it says comes first. */
export function expandRepository(repository: RepositoryPrincipal, condition: Condition): Condition {
  const claims = repositoryClaims[repository.platform];
  const { path, repositoryId, ownerId, ref, environment } = repository;
  return {
    StringEqual: {
      [`jwt:${claims.path}`]: [path],
      [`jwt:${claims.owner}`]: [ownerOf(path)],
      ...optional(claims.repositoryId, repositoryId),
      ...optional(claims.ownerId, ownerId),
      ...optional(claims.ref, ref),
      ...optional('environment', environment),
    },
    ...withoutProposals(repository, condition),
  };
}

const optional = (claim: string, value: string | null) => (value === null ? {} : { [`jwt:${claim}`]: [value] });

/** A role that lists the events it wants says by that whether it wants proposed code. */
function withoutProposals({ platform, ref }: RepositoryPrincipal, condition: Condition): Condition {
  const claims = repositoryClaims[platform];
  if (condition['StringEqual']?.[`jwt:${claims.event}`]) return {};
  return {
    StringNotEqualIfExists: { [`jwt:${claims.event}`]: [...claims.proposals] },
    ...(ref === null ? { StringNotLikeIfExists: { [`jwt:${claims.ref}`]: [claims.proposedRefs] } } : {}),
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
