import type { Attributes } from '../attributes';
import { compileCondition, evaluateCheck, holds, type Check, type CompiledCondition } from '../conditions';
import type { Claims } from '../decisions';
import type { Condition, RepositoryPrincipal } from '../documents';
import { expandRepository } from './expand-repository';
import { pinKey, type RepositoryPin, type RepositoryPins } from './repository-pins';
import { ownerOf, repositoryClaims } from './repository-platforms';

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

/** One repository of a principal. Its checks are made at the first look: most roles are never looked at. */
interface Alternative {
  repository: RepositoryPrincipal;
  fixedChecks: () => readonly Check[];
  pinChecks: (pin: RepositoryPin) => readonly Check[];
  /** `ids`: how the immutable form of this token's subject names the repository. */
  subjectChecks: (ids: string) => readonly Check[];
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
  const alternatives = repositories.map((repository, index) =>
    alternativeOf(repository, condition, repositories.length === 1 ? '/spec/principal' : `/spec/principal/${index}`),
  );
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
    sighting: (attributes) => sighting(examine(attributes), attributes, pins),
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
  compileCondition(condition, '', { templates: false }).checks.map((check) => ({ ...check, path }));

function alternativeOf(repository: RepositoryPrincipal, condition: Condition, path: string): Alternative {
  const fixed = rememberLast(() => checksAt(path, expandRepository(repository, condition)));
  return {
    repository,
    fixedChecks: () => fixed(null),
    pinChecks: rememberLast((pin) => checksAt(path, pinCondition(repository, pin))),
    subjectChecks: rememberLast((ids) => checksAt(path, subjectCondition(repository, ids))),
  };
}

/** Jobs of one repository come one after the other, and mostly alike. */
function rememberLast<Key, T>(make: (key: Key) => T): (key: Key) => T {
  let last: { key: Key; value: T } | undefined;
  return (key) => (last?.key === key ? last : (last = { key, value: make(key) })).value;
}

function pinCondition({ platform }: RepositoryPrincipal, { repositoryId, ownerId }: RepositoryPin): Condition {
  const claims = repositoryClaims[platform];
  return { StringEqual: { [`jwt:${claims.repositoryId}`]: [repositoryId], [`jwt:${claims.ownerId}`]: [ownerId] } };
}

function subjectCondition({ platform, path }: RepositoryPrincipal, ids: string): Condition {
  const places = [path, ids].map((place) => `${repositoryClaims[platform].subject}${place}`);
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
  const pinChecks = pin ? alternative.pinChecks(pin) : [];
  const checks = [...alternative.fixedChecks(), ...subjectChecks(alternative, claims), ...pinChecks];
  const failed = checks.filter((check) => !holds(check, evaluateCheck(check, attributes), 'Allow'));
  return { repository, checks, pinChecks, failed };
}

/** `sub` says what its template says, which may be nothing of use; a repository that it names must be this one. */
function subjectChecks({ repository, subjectChecks: checksFor }: Alternative, claims: Claims): readonly Check[] {
  const { subject, repositoryId, ownerId } = repositoryClaims[repository.platform];
  if (!textOf(claims['sub']).startsWith(subject)) return [];
  const owner = ownerOf(repository.path);
  const name = repository.path.slice(owner.length + 1);
  return checksFor(`${owner}@${idIn(claims, ownerId) ?? ''}/${name}@${idIn(claims, repositoryId) ?? ''}`);
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
