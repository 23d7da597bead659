import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Logger } from '@countersign/platform';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { PolicyConfig } from '../config';
import { PolicyDatabase } from '../policy-database';
import { ApplyDocuments } from './apply-documents';
import { readDocuments } from './read-documents';

const DOCUMENT_FILE = /^[^.].*\.(?:ya?ml|json)$/;

/** Applies the documents of COUNTERSIGN_RESOURCES_DIR once the database is there. What is wrong with them is logged. */
@Injectable()
export class ApplyDirectory implements OnApplicationBootstrap {
  constructor(
    private readonly database: PolicyDatabase,
    private readonly documents: ApplyDocuments,
    private readonly logger: Logger,
    private readonly config: PolicyConfig,
  ) {}

  onApplicationBootstrap(): void {
    const { resourcesDir } = this.config;
    if (resourcesDir === undefined) return;
    this.database
      .whenReady()
      .then(() => this.applyFolder(resourcesDir))
      .catch((error: unknown) => this.logger.error('documents of the directory not applied', { error, resourcesDir }));
  }

  private async applyFolder(folder: string): Promise<void> {
    const raw = await readFolder(folder);
    // An empty folder is more likely a mount that is missing than a wish to delete everything.
    if (raw.length === 0) return this.logger.warn('no documents in the directory', { folder });
    const { revision, changed } = await this.documents.commit({
      raw,
      remove: [],
      prune: true,
      owner: 'directory',
      author: 'directory',
    });
    this.logger.info('documents of the directory applied', { folder, revision, changed });
  }
}

/** Dot files are left out: a mounted ConfigMap keeps its versions in them. */
async function readFolder(folder: string): Promise<unknown[]> {
  const names = (await readdir(folder)).filter((name) => DOCUMENT_FILE.test(name)).sort();
  const documents: unknown[] = [];
  for (const name of names) {
    const path = join(folder, name);
    if (!(await stat(path)).isFile()) continue;
    const text = await readFile(path, 'utf8');
    documents.push(...readDocuments(text, undefined));
  }
  return documents;
}
