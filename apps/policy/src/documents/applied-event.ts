import type { CloudEvent, DocumentChange } from '@countersign/contracts';
import { createEvent, type Trace } from '@countersign/platform';
import type { AllowedFinding } from '../lint/lint-change';
import { contentHash } from './etag';
import { summarise, type NewRevision } from './revision-rows';

const hashOrNull = (raw: unknown): string | null => (raw === null ? null : contentHash(raw));

/** One document's part of the event: SHA-256 (base64url) of the canonical JSON before and after; the ETag is the same. */
const describe = ({ kind, name, action, before, after }: DocumentChange) => ({
  kind,
  name,
  action,
  before: hashOrNull(before),
  after: hashOrNull(after),
});

/**
 * `dev.countersign.policy.applied.v1`. Events are bounded, so of many documents the first are described; `digest`
 * covers the changes of the revision as they are stored, all of them.
 */
export function appliedEvent(
  revision: number,
  applied: NewRevision & { allowed: AllowedFinding[]; trace: Trace },
  publicUrl: string,
): CloudEvent {
  const { author, source, restoredFrom, changes, allowed, trace } = applied;
  return createEvent({
    type: 'dev.countersign.policy.applied.v1',
    source: publicUrl,
    subject: `revision/${revision}`,
    data: {
      revision,
      author,
      source,
      restoredFrom,
      summary: summarise(changes),
      documents: changes.map(describe),
      allowed,
      digest: contentHash(changes),
      traceId: trace.traceId,
      requestId: trace.requestId,
    },
    trace,
  });
}
