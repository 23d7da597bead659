import { getVerificationKeys } from '@countersign/contracts';
import { Bus } from '@countersign/messaging';
import { Injectable } from '@nestjs/common';
import { ExchangeConfig } from '../config';
import { SigningKeys } from './signing-keys';

/** Tells the other services what to verify our tokens with. */
@Injectable()
export class AnswerVerificationKeys {
  constructor(config: ExchangeConfig, bus: Bus, signingKeys: SigningKeys) {
    bus.serve(getVerificationKeys, async () => {
      // Whoever asks because of an announcement must not be told what was true before it.
      await signingKeys.settled();
      return { issuer: config.publicUrl, keys: signingKeys.verificationKeys() };
    });
  }
}
