import { z } from 'zod';

const flag = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true');

/** `onlyGiven`: the documents of the request alone, instead of laid over the stored ones. */
export const testQuery = z.strictObject({ neighbours: flag, onlyGiven: flag });

export type TestQuery = z.infer<typeof testQuery>;
