/** Operator, key, values, as a document has them. */
type WrittenCondition = Record<string, Record<string, string[]>>;

/** A Deny that takes what a role gives from some of those who have it. */
export interface WhoCanDenial {
  /** The role that brings it: the same one, or another that may match together with it. */
  role: string;
  policy: string;
  sid: string | null;
  /** null when it depends on nothing but the role. */
  condition: WrittenCondition | null;
  /** Claims that its resource names as `${jwt:claim}`. */
  resourceClaims: string[];
}

/** A role through which somebody may do what was asked, by one statement. */
export interface WhoCanRole {
  name: string;
  policy: string;
  sid: string | null;
  /** As a document has it: subjects, or repositories such as `github:acme/web`. */
  principal: { 'jwt:sub': string[] } | string[] | null;
  condition: WrittenCondition;
  statementCondition: WrittenCondition | null;
  /** Claims that the statement's resource names as `${jwt:claim}`: it is possible only with the right value. */
  resourceClaims: string[];
  deniedBy: WhoCanDenial[];
}

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
  roles: WhoCanRole[];
  /** Those seen last first; capped. */
  identities: WhoCanIdentity[];
  /** How many identities there are. */
  identityCount: number;
  window: { from: string; to: string };
}
