import { compilePattern, matchPattern } from './patterns';

/** Actions on resources that a caller asks to be limited to (RFC 9396); `*` is a wildcard as in statements. */
export interface Permission {
  actions: readonly string[];
  resources: readonly string[];
}

/** Whether permissions that a token is limited to cover an action on a resource: their `*` is any run of characters. */
export const permits = (permissions: readonly Permission[], action: string, resource: string): boolean =>
  permissions.some(({ actions, resources }) => covers(actions, action) && covers(resources, resource));

const covers = (patterns: readonly string[], text: string): boolean =>
  patterns.some((pattern) => matchPattern(compilePattern([pattern]), text, () => null) === true);
