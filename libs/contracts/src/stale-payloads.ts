/** Something that was of no use for a while. */
export interface StaleItem {
  /** When the document came into being; what is younger than the time asked for was never old enough to be stale. */
  createdAt: string;
  /** null: never since the record began. */
  lastUsedAt: string | null;
}

/** Answer of `GET /v1/stale`. Lists are capped, those never used first and then the longest unused; counts are not. */
export interface StaleAnswer {
  revision: number;
  days: number;
  /** Nothing listed was of use since then. */
  unusedSince: string;
  /** Nothing is known of uses before it. */
  recordedSince: string;
  issuers: (StaleItem & { name: string; iss: string })[];
  roles: (StaleItem & { name: string; shadow: boolean })[];
  statements: (StaleItem & { policy: string; sid: string | null; effect: 'Allow' | 'Deny' })[];
  counts: { issuers: number; roles: number; statements: number };
}
