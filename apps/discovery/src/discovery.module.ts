import { Module } from '@nestjs/common';
import { IssuerRequests } from './issuers/issuer-requests';
import { IssuersController } from './issuers/issuers.controller';
import { TrustedIssuers } from './issuers/trusted-issuers';
import { IssuerEvents } from './issuers/issuer-events';
import { FetchTurns } from './keys/fetch-turns';
import { KeySets } from './keys/key-sets';
import { SharedKeyCache } from './keys/shared-key-cache';

/** Trusted issuers and their keys. Needs DiscoveryConfig, Bus, AuditStream, ExpiringStore and SafeHttp. */
@Module({
  controllers: [IssuersController],
  providers: [TrustedIssuers, IssuerEvents, IssuerRequests, KeySets, SharedKeyCache, FetchTurns],
})
export class DiscoveryModule {}
