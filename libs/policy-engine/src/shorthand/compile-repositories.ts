import type { Attributes } from '../attributes';
import { compileCondition, evaluateCheck, holds, type Check, type CompiledCondition } from '../conditions';
import type { Claims } from '../decisions';
import type { Condition, RepositoryPrincipal } from '../documents';
import { listsEvents, namedBeside, withoutProposals } from './expand-repository';
import { pinKey, type RepositoryPin, type RepositoryPins } from './repository-pins';
import { ownerOf, repositoryClaims, repositoryPlatforms, type RepositoryPlatform } from './repository-platforms';

/** The repositories that a role's principal names, ready for decisions. */
export interface CompiledRepositories {
  readonly named: readonly RepositoryPrincipal[];
  /** What a job must have whichever of them it is of; the role is found by it. */
  readonly common: CompiledCondition;
  /** Whether everything else holds for one of them. */
  match(attributes: Attributes): boolean;
  /** Everything else, of the one that comes nearest to these claims, and of what is known of it. */
  checksFor(attributes: Attributes): readonly Check[];
  /** The pin that alone keeps these claims out: the repository has the name, and not the ids. */
  contradictedPin(attributes: Attributes): RepositoryPin | null;
  /** The repository of claims that match, where the principal gives no ids and nothing is known of them yet. */
  sighting(attributes: Attributes): RepositoryPin | null;
}

/**
 * One repository of a principal. Its checks are made at each look and not kept: most roles are never looked at, and
 * among very many the memory would cost a decision more than the making.
 */
interface Alternative {
  repository: RepositoryPrincipal;
  /** Where the document names it. */
  path: string;
  /** Whether the role itself says which events it wants. */
  listsEvents: boolean;
}

interface Examined {
  repository: RepositoryPrincipal;
  checks: readonly Check[];
  /** The same repository by its ids. */
  pinChecks: readonly Check[];
  failed: readonly Check[];
}

/** Compiles the repositories of a principal, all of one platform. `pins` may gain entries between decisions. */
export function compileRepositories(
  repositories: readonly RepositoryPrincipal[],
  condition: Condition,
  pins: RepositoryPins,
): CompiledRepositories {
  const alternatives = repositories.map((repository, index) => ({
    repository,
    path: repositories.length === 1 ? '/spec/principal' : `/spec/principal/${index}`,
    listsEvents: listsEvents(repository, condition),
  }));
  const examine = (attributes: Attributes): Examined | null => {
    const path = pathIn(attributes.claims, repositories);
    const sameName = alternatives.filter(({ repository }) => repository.path === path);
    return nearest(sameName.map((alternative) => examineOne(alternative, attributes, pins)));
  };
  return {
    named: repositories,
    common: compileCommon(repositories),
    match: (attributes) => examine(attributes)?.failed.length === 0,
    checksFor: (attributes) => examine(attributes)?.checks ?? [],
    contradictedPin: (attributes) => contradictedPin(examine(attributes), attributes, pins),
    sighting: (attributes) =>
      isKnown(repositories, attributes, pins) ? null : sighting(examine(attributes), attributes),
  };
}

function compileCommon(repositories: readonly RepositoryPrincipal[]): CompiledCondition {
  const path = '/spec/principal';
  const [first] = repositories;
  if (!first) return { checks: [], problems: [{ path, ...noRepository }] };
  const paths = [...new Set(repositories.map((repository) => repository.path))];
  const key = `jwt:${repositoryClaims[first.platform].path}`;
  return { checks: checksAt(path, { StringEqual: { [key]: paths } }), problems: [] };
}

const noRepository = { code: 'empty_list', message: 'must name at least one repository' };

/** The checks of a condition that stands for something written elsewhere; its values are known to be in order. */
const checksAt = (path: string, condition: Condition): Check[] =>
  at(path, compileCondition(condition, '', { templates: false }).checks);

const at = (path: string, checks: readonly Check[]): Check[] => checks.map((check) => ({ ...check, path }));

/** By what a principal says of the ref. They are the same for all repositories of a platform, so they are made once. */
const proposalChecks = Object.fromEntries(
  repositoryPlatforms.map((platform) => [
    platform,
    { any: checksAt('', withoutProposals(platform, false)), named: checksAt('', withoutProposals(platform, true)) },
  ]),
) as Record<RepositoryPlatform, Record<'any' | 'named', Check[]>>;

function fixedChecks({ repository, path, listsEvents }: Alternative): Check[] {
  const named = checksAt(path, namedBeside(repository));
  if (listsEvents) return named;
  return [...named, ...at(path, proposalChecks[repository.platform][repository.ref === null ? 'any' : 'named'])];
}

function pinCondition({ platform }: RepositoryPrincipal, { repositoryId, ownerId }: RepositoryPin): Condition {
  const claims = repositoryClaims[platform];
  return { StringEqual: { [`jwt:${claims.repositoryId}`]: [repositoryId], [`jwt:${claims.ownerId}`]: [ownerId] } };
}

/** `byIds`: how the immutable form of this token's subject names the repository. */
function subjectCondition({ platform, path }: RepositoryPrincipal, byIds: string): Condition {
  const places = [path, byIds].map((place) => `${repositoryClaims[platform].subject}${place}`);
  return { StringLike: { 'jwt:sub': [...places, ...places.map((place) => `${place}:*`)] } };
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

function pathIn(claims: Claims = {}, [first]: readonly RepositoryPrincipal[]): string {
  return first ? textOf(claims[repositoryClaims[first.platform].path]) : '';
}

function idIn(claims: Claims, claim: string): string | null {
  const value = claims[claim];
  return typeof value === 'string' && /^\d{1,20}$/.test(value) ? value : null;
}

const placeOf = ({ path }: RepositoryPrincipal, claims: Claims) => ({ iss: textOf(claims['iss']), path });

function examineOne(alternative: Alternative, attributes: Attributes, pins: RepositoryPins): Examined {
  const { repository } = alternative;
  const claims = attributes.claims ?? {};
  // Ids that the document gives are the operator's word; what was seen is asked for where it gives none.
  const pin = repository.repositoryId === null ? pins.get(pinKey(placeOf(repository, claims))) : undefined;
  const pinChecks = pin ? checksAt(alternative.path, pinCondition(repository, pin)) : [];
  const checks = [...fixedChecks(alternative), ...subjectChecks(alternative, claims), ...pinChecks];
  const failed = checks.filter((check) => !holds(check, evaluateCheck(check, attributes), 'Allow'));
  return { repository, checks, pinChecks, failed };
}

/** `sub` says what its template says, which may be nothing of use; a repository that it names must be this one. */
function subjectChecks({ repository, path }: Alternative, claims: Claims): Check[] {
  const { subject, repositoryId, ownerId } = repositoryClaims[repository.platform];
  if (!textOf(claims['sub']).startsWith(subject)) return [];
  const owner = ownerOf(repository.path);
  const name = repository.path.slice(owner.length + 1);
  const byIds = `${owner}@${idIn(claims, ownerId) ?? ''}/${name}@${idIn(claims, repositoryId) ?? ''}`;
  return checksAt(path, subjectCondition(repository, byIds));
}

const nearest = (examined: readonly Examined[]): Examined | null =>
  examined.reduce<Examined | null>(
    (best, next) => (best && best.failed.length <= next.failed.length ? best : next),
    null,
  );

function contradictedPin(examined: Examined | null, { claims = {} }: Attributes, pins: RepositoryPins) {
  if (!examined || examined.failed.length === 0) return null;
  const { repository, failed, pinChecks } = examined;
  return failed.every((check) => pinChecks.includes(check))
    ? (pins.get(pinKey(placeOf(repository, claims))) ?? null)
    : null;
}

/** Most are, and then nothing has to be examined. */
const isKnown = (repositories: readonly RepositoryPrincipal[], { claims = {} }: Attributes, pins: RepositoryPins) =>
  pins.has(pinKey({ iss: textOf(claims['iss']), path: pathIn(claims, repositories) }));

/** Tokens of old servers have no ids; there is nothing to be known of their repositories. */
function sighting(examined: Examined | null, { claims = {} }: Attributes): RepositoryPin | null {
  if (!examined || examined.failed.length > 0 || examined.repository.repositoryId !== null) return null;
  const { repository } = examined;
  const names = repositoryClaims[repository.platform];
  const repositoryId = idIn(claims, names.repositoryId);
  const ownerId = idIn(claims, names.ownerId);
  return repositoryId === null || ownerId === null ? null : { ...placeOf(repository, claims), repositoryId, ownerId };
}
