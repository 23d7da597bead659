import type { RepositoryPrincipal } from '../documents';
import { repositoryPlatforms, type RepositoryPlatform } from './repository-platforms';

export type ParsedRepository =
  { ok: true; repository: RepositoryPrincipal } | { ok: false; code: string; message: string };

/** The longest text of a repository principal. */
const maxLength = 1_024;

const forms: Record<RepositoryPlatform, { owner: RegExp; name: RegExp; written: string }> = {
  github: {
    owner: /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/,
    name: /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/,
    written: 'github:OWNER/REPO',
  },
  gitlab: {
    owner: /^[A-Za-z0-9_][A-Za-z0-9_.-]*(\/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$/,
    name: /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/,
    written: 'gitlab:GROUP/PROJECT',
  },
};

/** `OWNER@ID/REPO@ID`, the form of GitHub's immutable subjects; what follows begins with another `@`. */
const withIds = /^(?<owner>[^@]+)@(?<ownerId>\d{1,20})\/(?<name>[^@/]+)@(?<repositoryId>\d{1,20})(?:@(?<rest>.+))?$/s;
const withoutIds = /^(?<owner>[^@]+)\/(?<name>[^@/]+)(?:@(?<rest>.+))?$/s;
/** No ref holds a colon (git-check-ref-format), so that this can only begin an environment. */
const environmentMark = 'environment:';

/** Reads `github:OWNER/REPO`, with `@ref`, `@environment:NAME` or both, in this order; ids as `OWNER@ID/REPO@ID`. */
export function parseRepository(text: string): ParsedRepository {
  const colon = text.indexOf(':');
  const platform = repositoryPlatforms.find((known) => known === text.slice(0, colon));
  if (!platform) return fail('invalid_principal', 'must begin with github: or gitlab:');
  if (text.length > maxLength) return fail('too_long', `must be at most ${maxLength} characters`);
  if (/[*?]/.test(text)) return fail('wildcard_not_allowed', 'must be written out; wildcards belong in a condition');
  const place = parsePlace(text.slice(colon + 1), platform);
  if (!place)
    return fail('invalid_principal', `must be ${forms[platform].written}, or the same with ids, OWNER@ID/REPO@ID`);
  const { rest, ...names } = place;
  const limits = rest === undefined ? { ref: null, environment: null } : parseLimits(rest);
  return 'message' in limits ? { ok: false, ...limits } : { ok: true, repository: { platform, ...names, ...limits } };
}

const fail = (code: string, message: string): ParsedRepository => ({ ok: false, code, message });

type Place = Pick<RepositoryPrincipal, 'path' | 'repositoryId' | 'ownerId'> & { rest: string | undefined };

function parsePlace(text: string, platform: RepositoryPlatform): Place | null {
  const readings = [withIds.exec(text)?.groups, withoutIds.exec(text)?.groups];
  const found = readings.find((groups) => groups && isPlace(platform, groups));
  if (!found) return null;
  const { owner, name, ownerId = null, repositoryId = null, rest } = found;
  return { path: `${owner}/${name}`, repositoryId, ownerId, rest };
}

const isPlace = (platform: RepositoryPlatform, { owner = '', name = '' }: Record<string, string>): boolean =>
  forms[platform].owner.test(owner) && forms[platform].name.test(name);

interface Limits {
  ref: string | null;
  environment: string | null;
}

function parseLimits(rest: string): Limits | { code: string; message: string } {
  const [written, environment] = splitEnvironment(rest);
  if (environment !== null && !/^(?!.*\$\{jwt:)[^\p{Cc}]{1,255}$/u.test(environment)) return badEnvironment;
  if (written === null) return { ref: null, environment };
  if (/^\d+$/.test(written)) return ambiguous;
  const ref = written.startsWith('refs/') ? written : `refs/heads/${written}`;
  return isRef(ref) ? { ref, environment } : badRef;
}

function splitEnvironment(rest: string): readonly [ref: string | null, environment: string | null] {
  if (rest.startsWith(environmentMark)) return [null, rest.slice(environmentMark.length)];
  const at = rest.indexOf(`@${environmentMark}`);
  return at < 0 ? [rest, null] : [rest.slice(0, at), rest.slice(at + 1 + environmentMark.length)];
}

const badEnvironment = {
  code: 'invalid_environment',
  message: 'must name an environment of 1 to 255 characters after @environment:',
};
const badRef = {
  code: 'invalid_ref',
  message: 'must be a branch name, refs/heads/… or refs/tags/… after the @',
};
const ambiguous = {
  code: 'ambiguous_ref',
  message: 'digits after the @ may be a branch or an id; write @refs/heads/… or OWNER@ID/REPO@ID',
};

/** The rules of git-check-ref-format that matter to text that is compared as a whole. */
const isRef = (ref: string): boolean =>
  /^refs\/(heads|tags)\/[^\p{Cc} ~^:?*[\\]+$/u.test(ref) && !/\.\.|@\{|\/\/|\/\.|\/$|\.$|\.lock(\/|$)/.test(ref);
