import { issuerKeysChanged, policyChanged, type TrustedIssuer } from '@countersign/contracts';
import { Bus, askIssuerKeys } from '@countersign/messaging';
import type { Jwk, ParsedToken, RejectedKey } from '@countersign/tokens';
import { Injectable } from '@nestjs/common';
import { refuseToken } from '../token/refusal';

export interface IssuerAndKeys {
  issuer: TrustedIssuer;
  keys: Jwk[];
  rejectedKeys: RejectedKey[];
}

const MAX_AGE_MS = 30_000;
const MAX_ENTRIES = 1_000;
/** Replicas of discovery hear of a change one after the other: for so long an answer may still be the old one. */
const SETTLING_MS = 1_000;

/**
 * The issuer and the keys that fit a token, from memory, else from discovery. Only what was found is remembered, so
 * that strangers cannot fill the memory; a change announced by policy or discovery empties it.
 */
@Injectable()
export class VerificationKeys {
  private readonly found = new Map<string, { value: IssuerAndKeys; until: number }>();
  private readonly asking = new Map<string, Promise<IssuerAndKeys>>();
  private changedAt = -Infinity;

  constructor(private readonly bus: Bus) {
    bus.subscribe(policyChanged, () => this.forget());
    bus.subscribe(issuerKeysChanged, () => this.forget());
  }

  /** Throws Refusal (issuer_unknown, kid_unknown) or UnavailableError. */
  async find({ iss, kid }: Pick<ParsedToken, 'iss' | 'kid'>): Promise<IssuerAndKeys> {
    const id = JSON.stringify([iss, kid]);
    const known = this.found.get(id);
    if (known !== undefined && known.until > performance.now()) return known.value;
    return this.asking.get(id) ?? this.askOnce(id, { iss, kid });
  }

  /** However many tokens of one key come at the same time. */
  private askOnce(id: string, asked: { iss: string; kid: string | null }): Promise<IssuerAndKeys> {
    const askedAt = performance.now();
    const asking = this.ask(asked)
      .then((value) => {
        if (askedAt > this.changedAt + SETTLING_MS) this.remember(id, value);
        return value;
      })
      .finally(() => {
        if (this.asking.get(id) === asking) this.asking.delete(id);
      });
    this.asking.set(id, asking);
    return asking;
  }

  private async ask(asked: { iss: string; kid: string | null }): Promise<IssuerAndKeys> {
    const answer = await askIssuerKeys(this.bus, asked);
    if (answer.status === 'issuer_unknown') throw refuseToken('issuer_unknown');
    if (answer.status === 'kid_unknown') throw refuseToken('kid_unknown');
    const { issuer, keys, rejectedKeys } = answer;
    return { issuer, keys, rejectedKeys };
  }

  private remember(id: string, value: IssuerAndKeys): void {
    if (this.found.size >= MAX_ENTRIES) this.found.clear();
    this.found.set(id, { value, until: performance.now() + MAX_AGE_MS });
  }

  private forget(): void {
    this.changedAt = performance.now();
    this.found.clear();
    this.asking.clear();
  }
}
