import type { RefusalReason } from './reasons';

/** What a refused caller is answered. */
export interface RefusalAnswer {
  status: 401 | 403 | 503;
  headers: Record<string, string>;
  body: { error: string };
}

const UNAVAILABLE: readonly RefusalReason[] = ['keys_unavailable', 'proof_memory_full', 'decision_unavailable'];
const ANONYMOUS: readonly RefusalReason[] = ['no_token', 'no_bearer_token'];
const PROOF: readonly RefusalReason[] = ['proof_invalid', 'proof_replayed'];

/** The answer with its challenges (RFC 6750 §3, RFC 9449 §7.1): without error where no token came. */
export function refusalAnswer(
  reason: RefusalReason,
  { isDpop, proofAlgorithms }: { isDpop: boolean; proofAlgorithms: readonly string[] },
): RefusalAnswer {
  if (UNAVAILABLE.includes(reason))
    return { status: 503, headers: { 'retry-after': '5' }, body: { error: 'temporarily_unavailable' } };
  const algorithms = `algs="${proofAlgorithms.join(' ')}"`;
  if (ANONYMOUS.includes(reason))
    return { status: 401, headers: challenge('Bearer', `DPoP ${algorithms}`), body: { error: 'unauthorized' } };
  const error = errorOf(reason);
  const status = reason === 'not_allowed' ? 403 : 401;
  // A bound token that came as a bearer token is to be sent again with its proof.
  const needsProof = isDpop || reason === 'proof_missing';
  const scheme = needsProof ? `DPoP error="${error}", ${algorithms}` : `Bearer error="${error}"`;
  return { status, headers: challenge(scheme), body: { error } };
}

function errorOf(reason: RefusalReason): string {
  if (reason === 'not_allowed') return 'insufficient_scope';
  return PROOF.includes(reason) ? 'invalid_dpop_proof' : 'invalid_token';
}

const challenge = (...challenges: string[]): Record<string, string> => ({
  'www-authenticate': challenges.join(', '),
  'cache-control': 'no-store',
});
