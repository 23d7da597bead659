import { guardedEventNames, isAddressRange, type Condition, type RoleSpec } from '@countersign/policy-engine';
import { z } from 'zod';
import { condition } from './documents-condition';
import { conditionText, documentName, duration, listOf, nonEmpty, reject, text } from './documents-fields';

const subject = conditionText.superRefine((value, ctx) => {
  if (value === '') reject(ctx, 'empty_value', 'must not be empty');
  if (value.includes('${jwt:')) reject(ctx, 'template_not_allowed', '${jwt:…} may only stand in a Policy');
});

const event = text('invalid_value', `must be one of ${guardedEventNames.join(', ')}`, (value) =>
  guardedEventNames.includes(value),
);

const cidr = text('invalid_address', 'must be an IP address or a CIDR block', isAddressRange);

/** Role.spec as it may be written. */
export const roleFields = z.strictObject({
  policy: listOf(documentName),
  principal: z.strictObject({ 'jwt:sub': listOf(subject) }).optional(),
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
    } else if (!isPinned(spec.condition ?? {})) {
      const message = 'must list values of jwt:iss (or of subject:type, for vouched subjects) under StringEqual';
      reject(ctx, 'issuer_not_pinned', message, ['condition']);
    }
  })
  .transform((spec): RoleSpec => ({
    policy: [...new Set(spec.policy)],
    principal: spec.principal?.['jwt:sub'] ?? null,
    condition: spec.condition ?? {},
    audience: spec.audience ?? [],
    ...limits(spec),
    allowedEvents: spec.allowedEvents ?? [],
    trustedIps: spec.trustedIps ?? [],
    shadow: spec.shadow ?? false,
    disabled: spec.disabled ?? false,
  }));

const limits = ({ multipleAudiences, maxTokenExpiry, maxUses }: z.output<typeof roleFields>) => ({
  multipleAudiences: multipleAudiences ?? false,
  maxTokenExpiry: maxTokenExpiry ?? null,
  maxUses: maxUses ?? 0,
});

/** A plain StringEqual is the only operator that names issuers and fails without the claim. */
const isPinned = (written: Condition): boolean =>
  ['jwt:iss', 'subject:type'].some((key) => Object.hasOwn(written['StringEqual'] ?? {}, key));
