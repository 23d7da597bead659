import { z } from 'zod';

/** Text of an action or a resource; `*` is a wildcard, `?` would be one in statements and is refused here. */
const pattern = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[^?\p{C}]*$/u);

/** The one type of `authorization_details` (RFC 9396) that we know: actions on resources to be limited to. */
export const permissionSchema = z.strictObject({
  type: z.literal('countersign_permission'),
  actions: z.array(pattern).min(1).max(50),
  resources: z.array(pattern).min(1).max(50),
});

export const permissionsSchema = z.array(permissionSchema).min(1).max(20);

export type Permission = z.infer<typeof permissionSchema>;
