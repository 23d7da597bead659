import { z } from 'zod';
import { allowQuery } from '../lint/allowed-rules';
import type { ApplyOptions } from './apply-documents';

const flag = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true');

/** How a change is checked: what an apply and a restore take alike. Strict: a misspelt `dryRun` must not write. */
export const checkQuery = z.strictObject({ dryRun: flag, check: z.enum(['require']).optional(), allow: allowQuery });

/** `test=require`: apply only what the PolicyTests among the documents say is right. */
export const applyQuery = checkQuery.extend({ prune: flag, test: z.enum(['require']).optional() });

export const optionsOf = ({ dryRun, check, allow }: z.infer<typeof checkQuery>): ApplyOptions => ({
  dryRun,
  requireKeys: check === 'require',
  allow,
});
