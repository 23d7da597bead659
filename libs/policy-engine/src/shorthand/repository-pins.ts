/** What is known of a repository by its ids, which nobody can take over with its name. */
export interface RepositoryPin {
  iss: string;
  /** `acme/web`. */
  path: string;
  repositoryId: string;
  ownerId: string;
}

/** Pins by `pinKey`. */
export type RepositoryPins = ReadonlyMap<string, RepositoryPin>;

export const noPins: RepositoryPins = new Map();

/** Paths differ by case as issuers write them; nothing is folded. */
export const pinKey = ({ iss, path }: Pick<RepositoryPin, 'iss' | 'path'>): string => `${iss} ${path}`;
