import type { Attributes } from '../attributes';
import { compileCondition, evaluateCheck, holds, type Check, type CompiledCondition } from '../conditions';
import type { Claims } from '../decisions';
import type { Condition, RepositoryPrincipal } from '../documents';
import { expandRepository } from './expand-repository';
import { pinKey, type RepositoryPin, type RepositoryPins } from './repository-pins';
import { ownerOf, repositoryClaims } from './repository-platforms';

/** The repositories that a role's principal names, ready for decisions. */
export interface CompiledRepositories {
  /** What a job must have whichever of them it is of; the role is found by it. */
  readonly common: CompiledCondition;
  /** Beside `common`: the checks of the one that comes nearest to these claims, and of what is known of it. */
  checksFor(attributes: Attributes): readonly Check[];
  /** The pin that alone keeps these claims out: the repository has the name, and not the ids. */
  contradictedPin(attributes: Attributes): RepositoryPin | null;
  /** The repository of claims that match, where the principal gives no ids and nothing is known of them yet. */
  sighting(attributes: Attributes): RepositoryPin | null;
}

interface Alternative {
  repository: RepositoryPrincipal;
  /** JSON Pointer to where it is written. */
  path: string;
  checks: readonly Check[];
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
  const compiled = repositories.map((repository, index) => {
    const path = repositories.length === 1 ? '/spec/principal' : `/spec/principal/${index}`;
    return { repository, path, ...compileAt(path, expandRepository(repository, condition)) };
  });
  const common = compileCommon(repositories);
  const byPath = new Map(
    repositories.map(({ path }) => [path, compiled.filter((one) => one.repository.path === path)]),
  );
  const examine = (attributes: Attributes): Examined | null => {
    const alternatives = byPath.get(pathIn(attributes.claims, repositories)) ?? [];
    return nearest(alternatives.map((alternative) => examineOne(alternative, attributes, pins)));
  };
  return {
    common: { ...common, problems: [...common.problems, ...compiled.flatMap(({ problems }) => problems)] },
    checksFor: (attributes) => checksOf(examine(attributes)),
    contradictedPin: (attributes) => contradictedPin(examine(attributes), attributes, pins),
    sighting: (attributes) => sighting(examine(attributes), attributes, pins),
  };
}

/** The checks of a condition that stands for something written elsewhere. */
function compileAt(path: string, condition: Condition): CompiledCondition {
  const { checks, problems } = compileCondition(condition, '', { templates: false });
  return {
    checks: checks.map((check) => ({ ...check, path })),
    problems: problems.map((problem) => ({ ...problem, path })),
  };
}

function compileCommon(repositories: readonly RepositoryPrincipal[]): CompiledCondition {
  const [first] = repositories;
  if (!first) return { checks: [], problems: [{ path: '/spec/principal', ...noRepository }] };
  const paths = [...new Set(repositories.map(({ path }) => path))];
  return compileAt('/spec/principal', { StringEqual: { [`jwt:${repositoryClaims[first.platform].path}`]: paths } });
}

const noRepository = { code: 'empty_list', message: 'must name at least one repository' };

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

function pathIn(claims: Claims = {}, [first]: readonly RepositoryPrincipal[]): string {
  return first ? textOf(claims[repositoryClaims[first.platform].path]) : '';
}

function examineOne({ repository, path, checks }: Alternative, attributes: Attributes, pins: RepositoryPins): Examined {
  const claims = attributes.claims ?? {};
  const pinChecks = compileAt(path, pinCondition(repository, pins.get(pinKey(placeOf(repository, claims))))).checks;
  const all = [...checks, ...compileAt(path, subjectCondition(repository, claims)).checks, ...pinChecks];
  const failed = all.filter((check) => !holds(check, evaluateCheck(check, attributes), 'Allow'));
  return { repository, checks: all, pinChecks, failed };
}

const placeOf = ({ path }: RepositoryPrincipal, claims: Claims) => ({ iss: textOf(claims['iss']), path });

/** Ids that the document gives are the operator's word; what was seen is asked for where it gives none. */
function pinCondition({ platform, repositoryId }: RepositoryPrincipal, pin: RepositoryPin | undefined): Condition {
  if (!pin || repositoryId !== null) return {};
  const claims = repositoryClaims[platform];
  return {
    StringEqual: { [`jwt:${claims.repositoryId}`]: [pin.repositoryId], [`jwt:${claims.ownerId}`]: [pin.ownerId] },
  };
}

/** `sub` says what its template says, which may be nothing of use; a repository that it names must be this one. */
function subjectCondition({ platform, path }: RepositoryPrincipal, claims: Claims): Condition {
  const { subject, repositoryId, ownerId } = repositoryClaims[platform];
  if (!textOf(claims['sub']).startsWith(subject)) return {};
  const owner = ownerOf(path);
  const name = path.slice(owner.length + 1);
  const immutable = `${owner}@${idIn(claims, ownerId) ?? ''}/${name}@${idIn(claims, repositoryId) ?? ''}`;
  const places = [path, immutable].map((place) => `${subject}${place}`);
  return { StringLike: { 'jwt:sub': [...places, ...places.map((place) => `${place}:*`)] } };
}

function idIn(claims: Claims, claim: string): string | null {
  const value = claims[claim];
  return typeof value === 'string' && /^\d{1,20}$/.test(value) ? value : null;
}

const nearest = (examined: readonly Examined[]): Examined | null =>
  examined.reduce<Examined | null>(
    (best, next) => (best && best.failed.length <= next.failed.length ? best : next),
    null,
  );

const checksOf = (examined: Examined | null): readonly Check[] => examined?.checks ?? [];

function contradictedPin(examined: Examined | null, { claims = {} }: Attributes, pins: RepositoryPins) {
  if (!examined || examined.failed.length === 0) return null;
  const { repository, failed, pinChecks } = examined;
  return failed.every((check) => pinChecks.includes(check))
    ? (pins.get(pinKey(placeOf(repository, claims))) ?? null)
    : null;
}

/** Tokens of old servers have no ids; there is nothing to be known of their repositories. */
function sighting(examined: Examined | null, { claims = {} }: Attributes, pins: RepositoryPins): RepositoryPin | null {
  if (!examined || examined.failed.length > 0 || examined.repository.repositoryId !== null) return null;
  const { repository } = examined;
  const names = repositoryClaims[repository.platform];
  const place = placeOf(repository, claims);
  const repositoryId = idIn(claims, names.repositoryId);
  const ownerId = idIn(claims, names.ownerId);
  if (repositoryId === null || ownerId === null || pins.has(pinKey(place))) return null;
  return { ...place, repositoryId, ownerId };
}
