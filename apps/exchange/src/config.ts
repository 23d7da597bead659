import { configOf } from '@countersign/platform';

/** What the token service is configured by, beside its connections. */
export class ExchangeConfig extends configOf(
  'publicUrl',
  'encryptionKey',
  'previousEncryptionKey',
  'signingAlg',
  'maxTokenLifetime',
) {}
