import { parseRepository, type RepositoryPrincipal } from '@countersign/policy-engine';
import { z } from 'zod';
import { listOf, reject } from './documents-fields';

const repository = z
  .string()
  .meta({ pattern: '^(?:github|gitlab):[^*?]+/[^*?]+$', maxLength: 1_024 })
  .transform((written, ctx): RepositoryPrincipal => {
    const parsed = parseRepository(written);
    if (parsed.ok) return parsed.repository;
    reject(ctx, parsed.code, parsed.message);
    return z.NEVER;
  });

/** A principal as `github:OWNER/REPO` or `gitlab:GROUP/PROJECT`, one or a list of them. */
export const repositories = listOf(repository).superRefine((all, ctx) => {
  const other = all.findIndex(({ platform }) => platform !== all[0]?.platform);
  if (other > 0)
    reject(ctx, 'mixed_platforms', 'is of another platform than the first; write a Role for each', [other]);
});
