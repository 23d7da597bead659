import { configOf } from '@countersign/platform';

/** What the trail and the webhooks are configured by, beside their connections. */
export class AuditConfig extends configOf(
  'publicUrl',
  'encryptionKey',
  'previousEncryptionKey',
  'allowLoopbackIssuers',
  'allowedPrivateCidrs',
  'httpsProxy',
  'witnesses',
  'auditRetentionDays',
) {}
