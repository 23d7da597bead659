/** What the peer uses of it; the package has no types of its own. */
declare module 'oidc-provider' {
  import type { Server } from 'node:http';

  interface Client {
    clientId: string;
  }
  export interface Context {
    body: unknown;
    oidc: { client: Client; params: Record<string, string | undefined>; entity(name: string, value: object): void };
  }
  interface AccessToken {
    resourceServer: object;
    scope: string;
    expiration: number;
    tokenType: string;
    save(): Promise<string>;
  }
  export class Provider {
    constructor(issuer: string, configuration: object);
    AccessToken: new (values: object) => AccessToken;
    ResourceServer: new (identifier: string, values: object) => object;
    registerGrantType(name: string, handler: (context: Context) => Promise<void>, parameters: readonly string[]): void;
    listen(port: number, host: string): Server;
  }
  export const errors: Record<'InvalidGrant', new (description: string) => Error>;
}
