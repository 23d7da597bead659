import type { Stack } from '@countersign/testing';
import { badInputCases } from './bad-input/bad-input-cases';
import { issuerFieldCases } from './issuer-documents/issuer-field-cases';
import { registrationCases } from './issuer-documents/registration-cases';
import { postgresRoleCases } from './least-privilege/postgres-role-cases';
import { realClaimsCases } from './real-claims/real-claims-cases';
import { overloadCases } from './robustness/overload-cases';
import { simulateCases } from './simulate/simulate-cases';
import { removeDocuments, startTestStack } from './support/client';

// Cases that stop nothing and need no second replica share one stack: to start one takes longer than they do.

let stack: Stack;

beforeAll(async () => void (stack = await startTestStack()));
afterAll(() => stack?.stop());

describe.each<[string, (given: () => Stack) => void]>([
  ['bad input', badInputCases],
  ['issuer documents: fields', issuerFieldCases],
  ['issuer documents: registration', registrationCases],
  ['least privilege', postgresRoleCases],
  ['overload', overloadCases],
  ['real claims', realClaimsCases],
  ['simulate', simulateCases],
])('%s', (_, cases) => {
  cases(() => stack);
  afterAll(() => removeDocuments(stack));
});
