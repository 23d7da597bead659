import { compileSnapshot, type CountersignDocument, type Snapshot } from '@countersign/policy-engine';
import { Injectable } from '@nestjs/common';
import { PolicyConfig } from '../config';
import { KnownRepositories } from '../repository-pins/known-repositories';

/** Compiles documents as they are, or would be, decided by here: with our URL and what is known of repositories. */
@Injectable()
export class CompileDocuments {
  constructor(
    private readonly repositories: KnownRepositories,
    private readonly config: PolicyConfig,
  ) {}

  compile(documents: readonly CountersignDocument[], revision: number): Snapshot {
    const { publicUrl } = this.config;
    return compileSnapshot({ documents, publicUrl, revision, pins: this.repositories.pins });
  }
}
