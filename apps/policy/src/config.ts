import { configOf } from '@countersign/platform';

/** What the policy service is told: our issuer URL, and the folder of documents that it applies at its start. */
export class PolicyConfig extends configOf('publicUrl', 'resourcesDir') {}
