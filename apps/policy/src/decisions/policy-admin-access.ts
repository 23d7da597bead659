import type { authorizeAdmin } from '@countersign/contracts';
import { BusAdminAccess } from '@countersign/messaging';

export type AuthorizeRequest = ReturnType<typeof authorizeAdmin.input.parse>;
type Authorize = (request: AuthorizeRequest) => { allowed: boolean };

/** What the guard asks in the service that answers one of its questions itself: no message to ourselves. */
export class PolicyAdminAccess extends BusAdminAccess {
  private authorize: Authorize | undefined;

  answerWith(authorize: Authorize): void {
    this.authorize = authorize;
  }

  /** @throws UnavailableError */
  override async isAllowed(request: Parameters<BusAdminAccess['isAllowed']>[0]): Promise<boolean> {
    return this.authorize === undefined ? super.isAllowed(request) : this.authorize(request).allowed;
  }
}
