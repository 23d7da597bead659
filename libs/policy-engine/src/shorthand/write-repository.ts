import type { RepositoryPrincipal } from '../documents';
import { ownerOf } from './repository-platforms';

/** A repository principal as a document may have it, its ref in full; `parseRepository` reads it back. */
export function writeRepository(repository: RepositoryPrincipal): string {
  const { platform, path, repositoryId, ownerId, ref, environment } = repository;
  const owner = ownerOf(path);
  const place = `${owner}${suffix(ownerId)}${path.slice(owner.length)}${suffix(repositoryId)}`;
  return `${platform}:${place}${suffix(ref)}${suffix(environment === null ? null : `environment:${environment}`)}`;
}

const suffix = (text: string | null): string => (text === null ? '' : `@${text}`);
