import type { LintRule } from './lint-rule';
import { conditionRules } from './rules-conditions';
import { limitRules } from './rules-limits';
import { nameRules } from './rules-names';
import { platformRules } from './rules-platforms';
import { statementRules } from './rules-statements';
import { policyTextRules, roleTextRules } from './rules-texts';
import { tenancyRules } from './rules-tenancy';

/** All rules, by id. */
export const lintRules: readonly LintRule[] = [
  ...tenancyRules,
  ...platformRules,
  ...conditionRules,
  ...roleTextRules,
  ...statementRules,
  ...policyTextRules,
  ...nameRules,
  ...limitRules,
].sort((one, other) => (one.id < other.id ? -1 : 1));
