import {
  guardedEventNames,
  isAddressRange,
  withIssuer,
  type Condition,
  type RoleSpec,
} from '@countersign/policy-engine';
import { z } from 'zod';
import { condition } from './documents-condition';
import { conditionText, documentName, duration, listOf, nonEmpty, reject, text } from './documents-fields';
import { addressForm, conditionTextForm, pinnedForm } from './documents-json-forms';
import { repositories } from './documents-role-repositories';

const subject = conditionText
  .superRefine((value, ctx) => {
    if (value === '') reject(ctx, 'empty_value', 'must not be empty');
    if (value.includes('${jwt:')) reject(ctx, 'template_not_allowed', '${jwt:…} may only stand in a Policy');
  })
  .meta(conditionTextForm({ templates: false }));

const event = text('invalid_value', `must be one of ${guardedEventNames.join(', ')}`, (value) =>
  guardedEventNames.includes(value),
).meta({ enum: [...guardedEventNames] });

const cidr = text('invalid_address', 'must be an IP address or a CIDR block', isAddressRange).meta(addressForm);

/** Role.spec as it may be written. */
export const roleFields = z.strictObject({
  policy: listOf(documentName),
  principal: z
    .union([z.strictObject({ 'jwt:sub': listOf(subject) }), repositories], {
      error: 'must be {"jwt:sub": […]}, or github:OWNER/REPO or gitlab:GROUP/PROJECT, one or a list of them',
    })
    .optional(),
  condition: condition({ templates: false }).optional(),
  audience: listOf(nonEmpty).optional(),
  multipleAudiences: z.boolean().optional(),
  maxTokenExpiry: duration({ from: 1, to: 86_400, says: '1s to 24h' }).optional(),
  allowedEvents: listOf(event).optional(),
  trustedIps: listOf(cidr).optional(),
  maxUses: z.int().min(0).optional(),
  shadow: z.boolean().optional(),
  disabled: z.boolean().optional(),
});

/** Role.spec as written -> normalised, defaults filled in. */
export const roleSpec = roleFields
  .superRefine((spec, ctx) => {
    if (!spec.principal && Object.keys(spec.condition ?? {}).length === 0) {
      reject(ctx, 'unconditional_role', 'must have a principal or a condition: without them it matches everybody');
    } else if (!Array.isArray(spec.principal) && !isPinned(spec.condition ?? {})) {
      const message = 'must list values of jwt:iss (or of subject:type, for vouched subjects) under StringEqual';
      reject(ctx, 'issuer_not_pinned', message, ['condition']);
    }
  })
  .meta(pinnedForm)
  .transform((spec): RoleSpec => ({
    policy: [...new Set(spec.policy)],
    ...match(spec),
    audience: spec.audience ?? [],
    ...limits(spec),
    allowedEvents: spec.allowedEvents ?? [],
    trustedIps: spec.trustedIps ?? [],
    shadow: spec.shadow ?? false,
    disabled: spec.disabled ?? false,
  }));

function match({
  principal,
  condition: written = {},
}: z.output<typeof roleFields>): Pick<RoleSpec, 'principal' | 'repositories' | 'condition'> {
  if (principal === undefined) return { principal: null, condition: written };
  if (!Array.isArray(principal)) return { principal: principal['jwt:sub'], condition: written };
  return { principal: null, repositories: principal, condition: withIssuer(written, principal) };
}

const limits = ({ multipleAudiences, maxTokenExpiry, maxUses }: z.output<typeof roleFields>) => ({
  multipleAudiences: multipleAudiences ?? false,
  maxTokenExpiry: maxTokenExpiry ?? null,
  maxUses: maxUses ?? 0,
});

/** A plain StringEqual is the only operator that names issuers and fails without the claim. */
const isPinned = (written: Condition): boolean =>
  ['jwt:iss', 'subject:type'].some((key) => Object.hasOwn(written['StringEqual'] ?? {}, key));
