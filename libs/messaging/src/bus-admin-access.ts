import {
  authorizeAdmin,
  checkToken,
  getVerificationKeys,
  tokenCheck,
  verificationKeysChanged,
} from '@countersign/contracts';
import { AdminAccess } from '@countersign/platform';
import type { Bus } from './bus';
import { SharedAnswers } from './shared-answers';

const KEEP_KEYS_MS = 30_000;

type Keys = Awaited<ReturnType<AdminAccess['verificationKeys']>>;

/** Asks the exchange for our verification keys (kept for 30 s, dropped when they change) and what is revoked, policy for permission. */
export class BusAdminAccess extends AdminAccess {
  private keys: { asked: Promise<Keys>; until: number } | undefined;
  private readonly revoked = new SharedAnswers<boolean>();

  constructor(
    private readonly bus: Bus,
    private readonly now: () => number = () => performance.now(),
  ) {
    super();
    bus.subscribe(verificationKeysChanged, () => void (this.keys = undefined));
  }

  /** @throws UnavailableError */
  verificationKeys(): Promise<Keys> {
    if (this.keys !== undefined && this.now() < this.keys.until) return this.keys.asked;
    const asked = this.bus.request(getVerificationKeys, {}).then(({ keys }) => keys);
    const kept = { asked, until: this.now() + KEEP_KEYS_MS };
    this.keys = kept;
    asked.catch(() => {
      if (this.keys === kept) this.keys = undefined;
    });
    return asked;
  }

  /** An enforcement point shows one token with all its questions. @throws UnavailableError */
  isRevoked(claims: Parameters<AdminAccess['isRevoked']>[0]): Promise<boolean> {
    const ask = async (): Promise<boolean> => (await this.bus.request(checkToken, tokenCheck(claims))).revoked;
    return this.revoked.ask(claims.jti, ask);
  }

  /** @throws UnavailableError */
  async isAllowed(request: Parameters<AdminAccess['isAllowed']>[0]): Promise<boolean> {
    return (await this.bus.request(authorizeAdmin, request)).allowed;
  }
}
