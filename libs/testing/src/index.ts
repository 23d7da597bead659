export { claimFiles, claimSets, loadClaims, type Claims, type ClaimSet } from './claims';
export { auditStreamConformance, recordEvents, testEvent, type AuditStreamSetting } from './conformance/audit-stream';
export { busConformance, testAnnouncement, testRequest, type BusSetting } from './conformance/bus';
export { expiringStoreConformance, type ExpiringStoreSetting } from './conformance/expiring-store';
export { CORPUS_NOW, decisionCorpus, type CorpusCase } from './decision-corpus';
export { fakeClock, type FakeClock } from './fake-clock';
export {
  generateIssuerKey,
  startLocalIssuer,
  type IssuerAlgorithm,
  type IssuerKey,
  type LocalIssuer,
  type LocalIssuerOptions,
  type SignOptions,
} from './local-issuer';
export { type IssuerFailure } from './local-issuer-failures';
export { seeded } from './seeded';
export { selfSigned, type Certificate } from './self-signed';
export { ensureServerBinaries, serverBinary, type ServerBinary, type ServerName } from './servers/binaries';
export { startNats, type NatsOptions } from './servers/nats';
export { startNatsCluster, type NatsCluster } from './servers/nats-cluster';
export { createTestDatabase, runSql, sqlQuery, startPostgres, type PostgresOptions } from './servers/postgres';
export { startRedis, type RedisOptions } from './servers/redis';
export { freePort, ServerProcess, type ServerProcessOptions } from './servers/server-process';
export { startTcpProxy, type TcpProxy } from './servers/tcp-proxy';
export { diskRefusal, TestDisk, type DiskKind } from './servers/test-disk';
export type { TestServer } from './servers/test-server';
export { startStack, type Stack, type StackOptions } from './stack';
export { makeSecrets } from './stack-secrets';
export { startStackNats, syncRefusal, type StackNats } from './stack-servers';
export { type ServiceName, type StackService } from './stack-service';
export { testUnless } from './test-unless';
export { issuerRegistration, trustedIssuer } from './trusted-issuer';
export { eventually, generous, Recorder } from './waiting';
