import { Agent, Dispatcher, ProxyAgent } from 'undici';
import { AddressCheck, isLoopback } from './addresses';
import { tlsOptions, vettingConnector } from './connector';
import type { Resolve } from './resolve';
import { isLocalName } from './url-check';

export interface PoolOptions {
  isAllowed: AddressCheck;
  resolve: Resolve;
  proxyUrl: string | null;
}

/** Each keeps its own connections; beyond this the one that was not used for the longest time is closed. */
const maxDispatchers = 64;
const limits = {
  maxHeaderSize: 16 * 1024,
  connections: 64,
  pipelining: 1,
  allowH2: false,
  /** How long a connection idles in milliseconds, and at most when the other end says for how long it may. */
  keepAliveTimeout: 4_000,
  keepAliveMaxTimeout: 30_000,
  /** However busy it is, a connection does not stay with an address that DNS may have left long ago. */
  clientTtl: 300_000,
} as const;

/** One dispatcher for each set of certificate authorities, since connections are kept and reused per dispatcher. */
export class DispatcherPool {
  private readonly dispatchers = new Map<string, Dispatcher>();

  constructor(private readonly options: PoolOptions) {}

  dispatcherFor(hostname: string, caCertificate: string | null): Dispatcher {
    const isDirect = this.options.proxyUrl === null || isLocalName(hostname) || isLoopback(hostname);
    const key = `${isDirect ? 'direct' : 'proxy'} ${caCertificate ?? ''}`;
    const dispatcher = this.dispatchers.get(key) ?? this.create(isDirect ? null : this.options.proxyUrl, caCertificate);
    this.dispatchers.delete(key);
    this.dispatchers.set(key, dispatcher);
    if (this.dispatchers.size > maxDispatchers) this.retireOldest();
    return dispatcher;
  }

  /** At once: connections that idle or are still being made must not hold up a stop. */
  async close(): Promise<void> {
    await Promise.all([...this.dispatchers.values()].map((dispatcher) => dispatcher.destroy()));
  }

  private create(proxyUrl: string | null, caCertificate: string | null): Dispatcher {
    if (proxyUrl !== null) return new ProxyAgent({ uri: proxyUrl, requestTls: tlsOptions(caCertificate), ...limits });
    const { isAllowed, resolve } = this.options;
    return new Agent({ connect: vettingConnector({ isAllowed, resolve, caCertificate }), ...limits });
  }

  private retireOldest(): void {
    const [oldest] = this.dispatchers;
    if (oldest === undefined) return;
    this.dispatchers.delete(oldest[0]);
    // Ends with its last request; nobody waits for it.
    oldest[1].close().catch(() => undefined);
  }
}
