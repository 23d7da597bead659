import { setTimeout as delay } from 'node:timers/promises';
import { newTrace, ProblemError } from '@countersign/platform';
import { Injectable, Optional, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { PolicyConfig } from '../config';
import { ApplyDocuments } from '../documents/apply-documents';
import { PolicyDatabase } from '../policy-database';
import { DirectoryStatus } from './directory-status';
import {
  parseFolder,
  problemOf,
  readFolder,
  type Folder,
  type FolderProblem,
  type PlacedDocument,
} from './read-folder';
import { watchFolder, type WatchOptions } from './watch-folder';

/** When to look at the folder; tests put their own in its place. */
export class DirectoryTimes implements WatchOptions {
  readonly pollMs: number = 10_000;
  readonly quietMs: number = 300;
  readonly events: boolean = true;
}

/**
 * Keeps what the directory owns equal to the documents of COUNTERSIGN_RESOURCES_DIR: at the start and on change. What
 * is wrong with them leaves in force what is, until the folder or what stands in its way has changed.
 */
@Injectable()
export class ResourcesDirectory implements OnApplicationBootstrap, OnModuleDestroy {
  /** Fingerprint of what this replica applied. Another replica's folder may differ for a while: the last change wins. */
  private inForce: string | null = null;
  private turn: Promise<void> = Promise.resolve();
  private pending = false;
  private readonly stopping = new AbortController();
  private unwatch = (): void => undefined;

  constructor(
    private readonly database: PolicyDatabase,
    private readonly documents: ApplyDocuments,
    private readonly status: DirectoryStatus,
    private readonly config: PolicyConfig,
    @Optional() private readonly times: DirectoryTimes = new DirectoryTimes(),
  ) {}

  onApplicationBootstrap(): void {
    const { resourcesDir: folder } = this.config;
    if (folder === undefined) return;
    this.status.begin(folder);
    this.database.whenReady().then(
      () => {
        if (this.stopping.signal.aborted) return;
        this.unwatch = watchFolder(folder, this.times, () => this.reconcile(folder));
        this.reconcile(folder);
      },
      // Closed before it was ever there.
      () => undefined,
    );
  }

  async onModuleDestroy(): Promise<void> {
    this.stopping.abort();
    this.unwatch();
    await this.turn;
  }

  /** One at a time; what is told meanwhile is one more look at the end. */
  private reconcile(folder: string): void {
    if (this.pending) return;
    this.pending = true;
    this.turn = this.turn
      .then(() => {
        this.pending = false;
        return this.follow(folder);
      })
      .catch((error: unknown) => this.status.notApplied('waiting', [problemOf(null, describe(error))]));
  }

  private async follow(path: string): Promise<void> {
    const folder = await this.settled(path);
    if (folder === null) return;
    if (folder.fingerprint === this.inForce) return this.status.unchanged();
    const { documents, problems } = parseFolder(folder);
    if (problems.length > 0) return this.status.notApplied('refused', problems);
    // More likely a mount that is missing than a wish to delete everything.
    if (documents.length === 0) return this.status.empty();
    await this.apply(documents, folder.fingerprint);
  }

  /** What two looks in a row agree upon: a file that is being written is not taken for the whole. */
  private async settled(path: string): Promise<Folder | null> {
    let folder = await readFolder(path);
    while (folder.fingerprint !== this.inForce) {
      await delay(this.times.quietMs, undefined, { ref: false, signal: this.stopping.signal }).catch(() => undefined);
      if (this.stopping.signal.aborted) return null;
      const next = await readFolder(path);
      if (next.fingerprint === folder.fingerprint) break;
      folder = next;
    }
    return folder;
  }

  private async apply(documents: PlacedDocument[], fingerprint: string): Promise<void> {
    const owner = 'directory' as const;
    const caller = { author: owner, trace: newTrace() };
    const request = { raw: documents.map(({ raw }) => raw), remove: [], prune: true, owner, caller };
    try {
      const { revision, findings } = await this.documents.apply(request, { dryRun: false, requireKeys: false });
      this.inForce = fingerprint;
      this.status.applied(revision, findings);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      this.status.notApplied('refused', problemsOf(error, documents));
    }
  }
}

const describe = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Errors of documents with their files; others, such as a stored document in the way, have none. */
function problemsOf({ detail, extras }: ProblemError, documents: PlacedDocument[]): FolderProblem[] {
  const { errors = [] } = extras;
  if (errors.length === 0) return [problemOf(null, detail)];
  return errors.map(({ document, kind, name, path, message }) => {
    const { file = null, place = null } = documents[document] ?? {};
    return { file, document: place, kind, name, path, message };
  });
}
