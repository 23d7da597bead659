import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { documentJsonSchema, jsonSchemaNames } from '@countersign/contracts';

const FOLDER = resolve(__dirname, '../../docs/schemas');

/** Writes `docs/schemas/<kind>.schema.json` from the schemas that documents are checked with. */
async function main(): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  for (const name of jsonSchemaNames) {
    await writeFile(join(FOLDER, `${name}.schema.json`), `${JSON.stringify(documentJsonSchema(name), null, 2)}\n`);
  }
}

void main();
