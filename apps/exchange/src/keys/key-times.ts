/** Times of our signing keys, in seconds. */
export interface KeyTimes {
  /** How long whoever fetched our keys may keep them: `max-age` of `/oauth2/jwks`. */
  jwksMaxAge: number;
  /** How long until every replica has noticed a change, announced or not. */
  followMargin: number;
  /** How long a replica signs with keys that it could not confirm in the database. */
  unconfirmed: number;
  /** Age at which an active key is replaced. */
  rotateAfter: number;
  /** The longest lifetime that any deployment can give a token, so that lowering the setting cuts off none. */
  maxTokenLifetime: number;
  /** What the clocks of verifiers may differ from ours. */
  leeway: number;
}

const DAY = 86_400;

export const KEY_TIMES: Readonly<KeyTimes> = {
  jwksMaxAge: 300,
  followMargin: 60,
  unconfirmed: 300,
  rotateAfter: 30 * DAY,
  maxTokenLifetime: DAY,
  leeway: 300,
};
