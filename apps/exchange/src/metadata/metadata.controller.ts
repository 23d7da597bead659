import { ApiExcludeEndpoint, ApiOperation, ApiTags, Public } from '@countersign/platform';
import { applyDecorators, Controller, Get, Header, HttpCode, Options } from '@nestjs/common';
import { ExchangeConfig } from '../config';
import { KEY_TIMES } from '../keys/key-times';
import { SigningKeys } from '../keys/signing-keys';
import { authorizationServerMetadata, openIdConfiguration, protectedResourceMetadata } from './metadata';

const PATHS = {
  jwks: 'oauth2/jwks',
  openId: '.well-known/openid-configuration',
  authorizationServer: '.well-known/oauth-authorization-server',
  protectedResource: '.well-known/oauth-protected-resource',
};

/** Public documents: any page may read them, with no credentials of its user (Fetch standard, CORS protocol). */
const AnyOrigin = (): MethodDecorator => Header('access-control-allow-origin', '*');

/** A document that whoever fetched it may keep as long as our rotation of keys reckons with. */
const Document = (path: string, summary: string): MethodDecorator =>
  applyDecorators(
    Get(path),
    AnyOrigin(),
    Header('cache-control', `public, max-age=${KEY_TIMES.jwksMaxAge}`),
    ApiOperation({ summary }),
  );

/** What a verifier of our tokens needs to know. Everything is built from our public URL, never from request headers. */
@Public()
@ApiTags('metadata')
@Controller()
export class MetadataController {
  constructor(
    private readonly config: ExchangeConfig,
    private readonly signingKeys: SigningKeys,
  ) {}

  @Document(PATHS.jwks, 'Our verification keys (RFC 7517)')
  jwks() {
    return { keys: this.signingKeys.verificationKeys() };
  }

  @Document(PATHS.openId, 'OpenID Connect Discovery 1.0')
  openIdConfiguration() {
    return openIdConfiguration(this.config.publicUrl);
  }

  @Document(PATHS.authorizationServer, 'Authorization server metadata (RFC 8414)')
  authorizationServer() {
    return authorizationServerMetadata(this.config.publicUrl);
  }

  @Document(PATHS.protectedResource, 'Our admin endpoints as a protected resource (RFC 9728)')
  protectedResource() {
    return protectedResourceMetadata(this.config.publicUrl);
  }

  /** A page that sends headers of its own is asked for in advance; there is nothing to be had but GET and HEAD. */
  @Options(Object.values(PATHS))
  @HttpCode(204)
  @AnyOrigin()
  @Header('access-control-allow-methods', 'GET, HEAD')
  @Header('access-control-allow-headers', '*')
  @Header('access-control-max-age', String(KEY_TIMES.jwksMaxAge))
  @Header('allow', 'GET, HEAD, OPTIONS')
  @ApiExcludeEndpoint()
  preflight(): void {
    // The headers are the answer.
  }
}
