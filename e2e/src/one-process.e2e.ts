import { adminApiCases } from './admin-api/admin-api-cases';
import { dpopCases } from './dpop/dpop-cases';
import { grantCases } from './grants/grant-cases';
import { claimsCases } from './hostile-tokens/claims-cases';
import { formCases } from './hostile-tokens/form-cases';
import { headerAndKeyCases } from './hostile-tokens/header-and-key-cases';
import { roleStatesCases } from './role-states/role-states-cases';
import { simulateCases } from './simulate/simulate-cases';
import { removeDocuments } from './support/client';
import type { EmbeddedSystem } from './support/embedded';
import { startTemporarySystem } from './support/temporary-system';
import { grantedCases } from './token-endpoint/granted-cases';
import { refusedCases } from './token-endpoint/refused-cases';

// Cases that stop nothing and need no setting of their own share one process: to start one takes longer than they do.

let system: Awaited<ReturnType<typeof startTemporarySystem>>;

beforeAll(async () => void (system = await startTemporarySystem()));
afterAll(() => system?.stop());

describe.each<[string, (given: () => EmbeddedSystem) => void]>([
  ['admin API', adminApiCases],
  ['proof of possession', dpopCases],
  ['grants', grantCases],
  ['hostile tokens: claims', claimsCases],
  ['hostile tokens: form', formCases],
  ['hostile tokens: header and key', headerAndKeyCases],
  ['role states', roleStatesCases],
  ['simulate', simulateCases],
  ['token endpoint: granted', grantedCases],
  ['token endpoint: refused', refusedCases],
])('%s', (_, cases) => {
  cases(() => system);
  afterAll(() => removeDocuments(system));
});
