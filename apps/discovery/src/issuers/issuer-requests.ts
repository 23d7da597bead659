import { setTimeout as delay } from 'node:timers/promises';
import { checkIssuers, getIssuerKeys, type IssuerKeys } from '@countersign/contracts';
import { Bus } from '@countersign/messaging';
import { SafeHttp } from '@countersign/safe-http';
import { Injectable } from '@nestjs/common';
import { checkIssuer } from './check-issuer';
import { TrustedIssuers, asTrustedIssuer } from './trusted-issuers';

/** Half of what who asks waits for an answer. */
const PENDING_MS = 400;

const pending = (): Promise<IssuerKeys> => delay(PENDING_MS, { status: 'pending' }, { ref: false });

/** What discovery answers over the bus. */
@Injectable()
export class IssuerRequests {
  constructor(
    private readonly issuers: TrustedIssuers,
    http: SafeHttp,
    bus: Bus,
  ) {
    bus.serve(getIssuerKeys, ({ iss, kid }) => Promise.race([this.keys(iss, kid), pending()]));
    bus.serve(checkIssuers, async ({ issuers: candidates }) => {
      // All at once, and nothing is kept.
      const checked = await Promise.all(candidates.map((candidate) => checkIssuer(http, candidate)));
      return { problems: checked.flat() };
    });
  }

  private async keys(iss: string, kid: string | null): Promise<IssuerKeys> {
    const keySet = this.issuers.find(iss);
    if (keySet === undefined) return { status: 'issuer_unknown' };
    const issuer = asTrustedIssuer(keySet.issuer);
    const found = await keySet.find(kid);
    return found.status === 'found' ? { ...found, issuer } : { status: found.status, issuer };
  }
}
