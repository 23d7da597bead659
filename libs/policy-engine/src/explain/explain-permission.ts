import type { Attributes } from '../attributes';
import type { CompiledPolicy, CompiledStatement } from '../compile-policy';
import type { Snapshot } from '../compile-snapshot';
import { templateValues } from '../conditions';
import type { PermissionRequest } from '../decisions';
import { evaluatePermission, matchesAny, permissionAttributes, statementApplies } from '../evaluate-permission';
import { explainCheck } from './explain-check';
import type { ExplainedCheck, ExplainedStatement, PermissionExplanation } from './explanation';

/** Explains what `evaluatePermission` decides: every statement of the policies, and which of its checks hold. */
export function explainPermission(snapshot: Snapshot, request: PermissionRequest): PermissionExplanation {
  const names = [...new Set(request.policies)];
  const attributes = permissionAttributes(request);
  const policies = names.flatMap((name) => snapshot.policies.get(name) ?? []);
  return {
    decision: evaluatePermission(snapshot, request),
    statements: policies.flatMap((policy) => explainPolicy(policy, request, attributes)),
  };
}

const explainPolicy = (policy: CompiledPolicy, request: PermissionRequest, attributes: Attributes) =>
  policy.statements.map((statement): ExplainedStatement => {
    const { sid, effect, checks } = statement;
    return {
      policy: policy.name,
      sid,
      effect,
      applies: statementApplies(statement, request, attributes),
      checks: [
        ...nameChecks(statement, request, attributes),
        ...checks.map((check) => explainCheck(check, attributes, effect)),
      ],
    };
  });

/** Action and resource, as checks. */
function nameChecks(
  { path, effect, actions, resources, written }: CompiledStatement,
  { action, resource }: PermissionRequest,
  attributes: Attributes,
): ExplainedCheck[] {
  const valueOf = templateValues(attributes);
  const like = { operator: 'StringLike', present: true };
  return [
    {
      ...like,
      path: `${path}/action`,
      key: 'action:name',
      expected: [...written.action],
      actual: action.name,
      matched: matchesAny(actions, action.name, valueOf) === true,
    },
    {
      ...like,
      path: `${path}/resource`,
      key: 'resource',
      expected: [...written.resource],
      actual: resource,
      matched: matchesAny(resources, resource, valueOf) ?? effect === 'Deny',
    },
  ];
}
