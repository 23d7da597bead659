import { UnavailableError, isOlderThan, type Logger, type Resource } from '@countersign/platform';
import { connect, type ConnectionOptions, type NatsConnection, type Status } from '@nats-io/transport-node';
import { within } from './deadline';

/** Frozen servers are noticed by the timeouts of the calls; two of these without an answer mean another server. */
const PING_INTERVAL_MS = 1_000;
const CONNECT_TIMEOUT_MS = 2_000;
const RECONNECT_WAIT_MS = 200;
const PING_TIMEOUT_MS = 400;
const DRAIN_TIMEOUT_MS = 2_000;
/** The first that can sync each message to the disk (`sync_interval: always`). */
const DURABLE_SINCE = '2.10.0';

export interface NatsLinkOptions {
  /** `nats://user:password@host:port`, several separated by commas; `tls://` asks for TLS. */
  url: string;
  /** Name of the connection, and of the inboxes unless `inboxPrefix` is given: `_INBOX_<service>`. */
  service: string;
  logger: Logger;
  /** Subjects of the replies to this service; only it may subscribe there (the server's permissions). */
  inboxPrefix?: string | undefined;
  /** PEM file of the authorities that the server's certificate is verified with; the system's unless given. */
  caFile?: string | undefined;
}

const inboxPrefixOf = ({ service, inboxPrefix }: Pick<NatsLinkOptions, 'service' | 'inboxPrefix'>): string =>
  inboxPrefix ?? `_INBOX_${service}`;

function connectionOptions({ url, service, inboxPrefix, caFile }: NatsLinkOptions): ConnectionOptions {
  const places = url.split(',').map((part) => new URL(part.includes('://') ? part.trim() : `nats://${part.trim()}`));
  const { username, password } = places[0] as URL;
  const withTls = caFile !== undefined || places.some(({ protocol }) => protocol === 'tls:');
  return {
    servers: places.map(({ host }) => host),
    name: service,
    inboxPrefix: inboxPrefixOf({ service, inboxPrefix }),
    ...(username === '' ? {} : { user: decodeURIComponent(username), pass: decodeURIComponent(password) }),
    ...(withTls ? { tls: caFile === undefined ? {} : { caFile } } : {}),
    waitOnFirstConnect: true,
    maxReconnectAttempts: -1,
    // A password may be put right while we run; giving up after two refusals would need a restart.
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    timeout: CONNECT_TIMEOUT_MS,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: 2,
  };
}

/** One connection to NATS, shared by bus and streams; it connects in the background and reconnects for ever. */
export class NatsLink implements Resource {
  private current: NatsConnection | undefined;
  private connected = false;
  private closed = false;
  private users = 0;
  private readonly first: Promise<NatsConnection>;

  constructor(private readonly options: NatsLinkOptions) {
    this.first = this.connect();
    this.first.catch((error: unknown) => options.logger.error('cannot connect to NATS', { error }));
  }

  /** Where replies to us come: subjects that start with this and a dot. */
  get inboxPrefix(): string {
    return inboxPrefixOf(this.options);
  }

  /** Runs now, or when the connection is up for the first time; subscriptions made in it outlive lost connections. */
  onceConnected(work: (connection: NatsConnection) => void): void {
    if (this.current !== undefined) work(this.current);
    else this.first.then(work).catch((error: unknown) => this.options.logger.error('cannot subscribe', { error }));
  }

  /** The connection, however it is at the moment; resolves once it was up for the first time. */
  whenConnected(): Promise<NatsConnection> {
    return this.first;
  }

  /** The connection while it is up. @throws UnavailableError at once while it is not: nothing waits in a buffer */
  connection(): NatsConnection {
    if (this.current === undefined || !this.connected) throw new UnavailableError('nats');
    return this.current;
  }

  /** The most bytes of a message, by the server that we are or were connected to last. */
  get maxPayload(): number {
    return this.current?.info?.max_payload ?? Infinity;
  }

  /** Says that a bus or a stream stands on the link, until its `leave()`. */
  join(): void {
    this.users += 1;
  }

  /** The last to leave closes the link. */
  async leave(): Promise<void> {
    this.users -= 1;
    if (this.users === 0) await this.close();
  }

  async ping(): Promise<void> {
    const connection = this.connection();
    await within(PING_TIMEOUT_MS, connection.flush()).catch((cause: unknown) => {
      throw new UnavailableError('nats', { cause });
    });
  }

  /** What was accepted is sent, subscriptions end, then the connection; bounded, and at once while it is down. */
  async close(): Promise<void> {
    this.closed = true;
    const connection = this.current;
    if (connection === undefined) return;
    if (this.connected) await within(DRAIN_TIMEOUT_MS, connection.drain()).catch(() => undefined);
    await connection.close();
  }

  private async connect(): Promise<NatsConnection> {
    const connection = await connect(connectionOptions(this.options));
    if (this.closed) {
      await connection.close();
      return connection;
    }
    this.current = connection;
    this.connected = true;
    this.options.logger.info('connected to NATS', { server: connection.getServer() });
    this.warnOfVersion(connection.info?.version ?? '');
    void this.watch(connection);
    return connection;
  }

  private warnOfVersion(version: string): void {
    if (!isOlderThan(version, DURABLE_SINCE)) return;
    const message = `nats-server is older than ${DURABLE_SINCE}: a power cut loses events that it acknowledged`;
    this.options.logger.warn(message, { version });
  }

  private async watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) this.note(status);
    this.connected = false;
  }

  private note(status: Status): void {
    const { logger } = this.options;
    if (status.type === 'disconnect') {
      this.connected = false;
      logger.warn('connection to NATS lost');
    } else if (status.type === 'reconnect') {
      this.connected = true;
      logger.info('connected to NATS again', { server: status.server });
    } else if (status.type === 'error') {
      logger.warn('error of NATS', { reason: status.error.message });
    }
  }
}

/** Starts to connect and returns at once. */
export const connectNats = (options: NatsLinkOptions): NatsLink => new NatsLink(options);
