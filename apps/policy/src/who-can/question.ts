import { z } from 'zod';

const MAX_TEXT = 2_048;
// Neither matches any pattern, and both would only confuse whoever reads the answer.
const text = z
  .string()
  .min(1)
  .max(MAX_TEXT)
  .regex(/^[^\u0000-\u001f\u007f-\u009f]*$/, { message: 'must not contain control characters' });
const time = z.iso.datetime({ offset: true });

/** Body of `POST /v1/who-can`. */
export const questionSchema = z.strictObject({
  action: text,
  resource: text,
  from: time.optional(),
  to: time.optional(),
});

export type Question = z.infer<typeof questionSchema>;
