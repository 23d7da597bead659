import { z } from 'zod';

/**
 * An object of JSON between our own services: neither walked nor copied, as it may be large. Whoever reads a member
 * looks at what it is.
 */
export const jsonObject = z.custom<Record<string, unknown>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'must be an object',
);
