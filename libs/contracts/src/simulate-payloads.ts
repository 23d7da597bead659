import type { StatementReference } from '@countersign/policy-engine';

/** Attempts of one identity whose decision the candidate documents change. */
export interface SimulatedGroup {
  /** Name of the JwtIssuer. */
  issuer: string;
  subject: string;
  /** How many attempts. */
  count: number;
  /** Roles and statements that grant: those of the candidate when newly allowed, of today when newly denied. */
  roles: string[];
  statements: StatementReference[];
  /** Of the attempts, newest first; the lists are capped, `count` is not. */
  eventIds: string[];
}

export interface SimulatedChange {
  count: number;
  /** Of the largest first; capped. */
  groups: SimulatedGroup[];
  /** How many groups there are. */
  groupCount: number;
}

/** Answer of `POST /v1/simulate`: recorded exchanges, decided under today's documents and under the candidates. */
export interface SimulationAnswer {
  from: string;
  to: string;
  /** `newlyAllowed`, `newlyDenied` and `unchanged` together. */
  evaluated: number;
  /** Attempts of the range that policy did not decide, or whose record is not whole. */
  skipped: number;
  newlyAllowed: SimulatedChange;
  newlyDenied: SimulatedChange;
  unchanged: { count: number };
  /** Part of `unchanged`: allowed before and after, by other roles or statements or for another audience. */
  changedGrants: SimulatedChange;
}
