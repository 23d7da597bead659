import { configOf } from '@countersign/platform';

/** What discovery is configured by, beside its connections. */
export class DiscoveryConfig extends configOf(
  'publicUrl',
  'adminToken',
  'allowLoopbackIssuers',
  'allowedPrivateCidrs',
  'httpsProxy',
) {}
