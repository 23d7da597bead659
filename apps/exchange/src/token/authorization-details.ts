import { permissionsSchema, type Permission } from '@countersign/contracts';
import { refuseJson } from '@countersign/tokens';
import { refuseRequest } from './refusal';

const MAX_TEXT = 8_192;
const LIMITS = { depth: 4, members: 200 };

/** Reads `authorization_details` (RFC 9396 §2): a JSON array of our one type. Throws Refusal. */
export function readPermissions(text: string | null): Permission[] | null {
  if (text === null || text === '') return null;
  const refused = refuseRequest('invalid_authorization_details', 'authorization_details cannot be understood');
  if (text.length > MAX_TEXT || refuseJson(text, LIMITS) !== null) throw refused;
  const parsed = permissionsSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw refused;
  return parsed.data;
}
