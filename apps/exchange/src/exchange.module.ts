import { Module } from '@nestjs/common';
import { IntrospectToken } from './introspection/introspect-token';
import { IntrospectionController } from './introspection/introspection.controller';
import { OwnTokens } from './introspection/own-tokens';
import { AnswerVerificationKeys } from './keys/answer-verification-keys';
import { KeyRotation } from './keys/key-rotation';
import { PrivatePartSeal } from './keys/private-part-seal';
import { RotateOnDemand } from './keys/rotate-on-demand';
import { SigningKeyList } from './keys/signing-key-list';
import { SigningKeyStore } from './keys/signing-key-store';
import { SigningKeys } from './keys/signing-keys';
import { SigningKeysController } from './keys/signing-keys.controller';
import { MetadataController } from './metadata/metadata.controller';
import { ReplayEpochs } from './replay/replay-epochs';
import { ReplayGuard } from './replay/replay-guard';
import { RevocationCopy } from './revocation/revocation-copy';
import { RevocationEndpoint } from './revocation/revocation-endpoint';
import { RevocationController } from './revocation/revocation.controller';
import { Revocations } from './revocation/revocations';
import { RevocationsController } from './revocation/revocations.controller';
import { RevokeToken } from './revocation/revoke-token';
import { TokenStatus } from './revocation/token-status';
import { CredentialVerifier } from './token/credential-verifier';
import { DpopProofs } from './token/dpop-proofs';
import { ExchangeToken } from './token/exchange-token';
import { NarrowToken } from './token/narrow-token';
import { OAuthErrorFilter } from './token/oauth-error.filter';
import { TokenController } from './token/token.controller';
import { TokenEndpoint } from './token/token-endpoint';
import { TokenIssuer } from './token/token-issuer';
import { ExchangeTrail } from './trail/exchange-trail';
import { RefusalBudget } from './trail/refusal-budget';
import { VerificationKeys } from './trust/verification-keys';

/** The security token service. Needs ExchangeConfig, ExchangeDatabase, Bus, AuditStream, ExpiringStore and FailureLimiter. */
@Module({
  controllers: [
    TokenController,
    IntrospectionController,
    RevocationController,
    RevocationsController,
    MetadataController,
    SigningKeysController,
  ],
  providers: [
    TokenEndpoint,
    ExchangeToken,
    NarrowToken,
    CredentialVerifier,
    TokenIssuer,
    DpopProofs,
    VerificationKeys,
    ReplayGuard,
    ReplayEpochs,
    OwnTokens,
    IntrospectToken,
    TokenStatus,
    RevocationCopy,
    RevokeToken,
    RevocationEndpoint,
    Revocations,
    SigningKeys,
    AnswerVerificationKeys,
    SigningKeyStore,
    SigningKeyList,
    PrivatePartSeal,
    KeyRotation,
    RotateOnDemand,
    ExchangeTrail,
    RefusalBudget,
    OAuthErrorFilter,
  ],
})
export class ExchangeModule {}
