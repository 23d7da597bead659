import type { ReachingRole } from '@countersign/policy-engine';

/** An identity of the record that got a token in the window, and may do it under the documents of now. */
export interface WhoCanIdentity {
  /** Name of the JwtIssuer. */
  issuer: string;
  subject: string;
  /** Those that let it. */
  roles: string[];
  lastSeenAt: string;
  /** Granted exchanges in the window with claims that may do it. */
  count: number;
}

/** Answer of `POST /v1/who-can`. */
export interface WhoCanAnswer {
  revision: number;
  /** By name; one entry for each statement. */
  roles: ReachingRole[];
  /** Those seen last first; capped. */
  identities: WhoCanIdentity[];
  /** How many identities there are. */
  identityCount: number;
  window: { from: string; to: string };
}
