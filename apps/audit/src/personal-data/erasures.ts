import { forgetSubject, type ErasureAnswer } from '@countersign/contracts';
import { AuditStream, Bus } from '@countersign/messaging';
import { createEvent, type Caller } from '@countersign/platform';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { z } from 'zod';
import { AuditConfig } from '../config';
import { AuditDatabase } from '../database';
import { TRAIL_LOCK } from '../trail/trail-lock';
import type { KeyRing } from './key-ring';
import { subjectName } from './personal-members';
import { SubjectKeys } from './subject-keys';

/** A subject may be in many events; they are only counted. */
const LIMIT = { limitMs: 10_000 };

const DELETE_KEYS = `
  WITH gone AS (DELETE FROM audit.subject_key WHERE subject_id = ANY ($1::bytea[]) RETURNING id)
  SELECT count(*)::int AS erased FROM audit.event WHERE key_id IN (SELECT id FROM gone)`;

const text = z
  .string()
  .min(1)
  .max(2_048)
  .refine((value) => !/[\0\p{Surrogate}]/u.test(value), { message: 'must not contain NUL or lone surrogates' });

/** Body of `POST /v1/erasures`. `issuer`: name of the JwtIssuer, or the `iss` where no document names it. */
export const erasureSchema = z.strictObject({ issuer: text, subject: text, reason: text.max(512) });
export type Erasure = z.infer<typeof erasureSchema>;

/** Makes what the trail and policy's record have of a subject unreadable, for good. */
@Injectable()
export class Erasures {
  constructor(
    private readonly database: AuditDatabase,
    private readonly keys: SubjectKeys,
    private readonly bus: Bus,
    private readonly stream: AuditStream,
    private readonly config: AuditConfig,
  ) {}

  /**
   * Resolves with how many events were readable until now. It is recorded before it is committed; what is half done
   * when it rejects is done by the next call.
   * @throws UnavailableError
   */
  async erase(erasure: Erasure, caller: Caller): Promise<ErasureAnswer> {
    const { issuer, subject } = erasure;
    const ring = await this.keys.ring();
    await this.bus.request(forgetSubject, { issuer, subject }, caller.trace);
    const answer = await this.database.transaction((manager) => this.deleteKeys(manager, ring, erasure, caller), LIMIT);
    await this.stream.dropConsumed();
    return answer;
  }

  private async deleteKeys(
    manager: EntityManager,
    ring: KeyRing,
    { issuer, subject, reason }: Erasure,
    caller: Caller,
  ): Promise<ErasureAnswer> {
    // No event may be on its way into the trail with a key that is about to go.
    await manager.query(TRAIL_LOCK);
    const [verified, unverified] = idsOf(ring, subjectName(issuer, subject));
    const [row] = await manager.query<ErasureAnswer[]>(DELETE_KEYS, [[...verified, ...unverified]]);
    const erased = row?.erased ?? 0;
    const subjectId = verified[0]?.toString('base64url') ?? '';
    await this.record({ issuer, subjectId, reason, erased }, caller);
    return { erased };
  }

  private record(details: Record<string, unknown>, { author, trace }: Caller): Promise<void> {
    const { traceId, requestId } = trace;
    const event = createEvent({
      type: 'dev.countersign.audit.erased.v1',
      source: this.config.publicUrl,
      subject: null,
      data: { outcome: 'erased', ...details, author, traceId, requestId },
      trace,
    });
    return this.stream.append('audit', event);
  }
}

const idsOf = (ring: KeyRing, subject: string): [Buffer[], Buffer[]] => [
  ring.idsOf({ subject, isVerified: true }),
  ring.idsOf({ subject, isVerified: false }),
];
