import 'reflect-metadata';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { AuditModule } from '@countersign/audit';
import { DiscoveryModule } from '@countersign/discovery';
import { ExchangeModule } from '@countersign/exchange';
import { describeModule } from '@countersign/platform';
import { PolicyModule } from '@countersign/policy';

const FOLDER = resolve(__dirname, '../../docs/http');

const SERVICES = { audit: AuditModule, discovery: DiscoveryModule, exchange: ExchangeModule, policy: PolicyModule };

/** Writes `docs/http/<service>.openapi.json` from the controllers; no connection is opened for it. */
async function main(): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  for (const [service, module] of Object.entries(SERVICES)) {
    const document = await describeModule(module, service);
    await writeFile(join(FOLDER, `${service}.openapi.json`), `${JSON.stringify(document, null, 2)}\n`);
  }
}

void main();
