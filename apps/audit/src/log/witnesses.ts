import { appendFile } from 'node:fs/promises';
import { Clock, Logger, Metrics } from '@countersign/platform';
import { SafeHttp } from '@countersign/safe-http';
import { Injectable, Optional } from '@nestjs/common';
import { AuditConfig } from '../config';
import { LogSettings } from './log-settings';

const TIMEOUT_MS = 10_000;
const MOST_ANSWER_BYTES = 1_024;

/**
 * Sends checkpoints to where whoever can change our database cannot: each URL gets the note as a POST, each file gets
 * it appended, an empty line between two. A witness that was away gets the newest one, which covers all before it.
 */
@Injectable()
export class Witnesses {
  private sentAt = -Infinity;
  private waiting: string | null = null;
  private readonly sent;

  constructor(
    private readonly config: AuditConfig,
    private readonly http: SafeHttp,
    private readonly clock: Clock,
    private readonly logger: Logger,
    metrics: Metrics,
    @Optional() private readonly settings: LogSettings = new LogSettings(),
  ) {
    this.sent = metrics.counter('countersign_audit_witness_total', 'Checkpoints sent to witnesses', ['result']);
  }

  /** `note`: the newest checkpoint since the last call, null for none. Never rejects. */
  async send(note: string | null): Promise<void> {
    this.waiting = note ?? this.waiting;
    const now = this.clock.now();
    if (this.waiting === null || now < this.sentAt + this.settings.witnessIntervalMs) return;
    const sending = this.waiting;
    const results = await Promise.all(this.config.witnesses.map((witness) => this.sendTo(witness, sending)));
    this.sentAt = now;
    if (results.every(Boolean) && this.waiting === sending) this.waiting = null;
  }

  private async sendTo(witness: string, note: string): Promise<boolean> {
    try {
      await (witness.startsWith('/') ? appendFile(witness, `${note}\n`) : this.post(witness, note));
      this.sent.inc({ result: 'done' });
      return true;
    } catch (error) {
      this.sent.inc({ result: 'failed' });
      this.logger.warn('a witness did not take the checkpoint; it gets the next one', { reason: String(error) });
      return false;
    }
  }

  private async post(url: string, note: string): Promise<void> {
    const headers = { 'content-type': 'text/plain; charset=utf-8', 'user-agent': 'countersign' };
    const { status } = await this.http.post(url, note, { timeoutMs: TIMEOUT_MS, maxBytes: MOST_ANSWER_BYTES, headers });
    if (status >= 300) throw new Error(`the witness answered ${status}`);
  }
}
