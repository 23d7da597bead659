import { compileInSteps, type CountersignDocument, type Snapshot } from '@countersign/policy-engine';
import { Injectable } from '@nestjs/common';
import { PolicyConfig } from '../config';
import { resultingDocuments } from '../documents/resulting-documents';
import { StoredDocuments, type StoredState } from '../documents/stored-documents';
import { KnownRepositories } from '../repository-pins/known-repositories';
import { inStretches } from './in-stretches';

/** Compiles documents as they are, or would be, decided by here: with our URL and what is known of repositories. */
@Injectable()
export class CompileDocuments {
  private inForce: Snapshot | undefined;

  constructor(
    private readonly stored: StoredDocuments,
    private readonly repositories: KnownRepositories,
    private readonly config: PolicyConfig,
  ) {}

  /** Documents that are in force, too, are not compiled again. */
  compile(documents: Iterable<CountersignDocument>, revision: number): Promise<Snapshot> {
    const { publicUrl } = this.config;
    const { pins } = this.repositories;
    return inStretches(compileInSteps({ documents, publicUrl, revision, pins, before: this.inForce }));
  }

  /** What is stored now, which comes into force. */
  async compileNewest(): Promise<{ state: StoredState; snapshot: Snapshot }> {
    const state = await this.stored.load();
    this.inForce = await this.compile(resultingDocuments(state.documents), state.newest.number);
    return { state, snapshot: this.inForce };
  }
}
