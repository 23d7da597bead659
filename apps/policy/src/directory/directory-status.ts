import type { Finding } from '@countersign/contracts';
import { Logger, Metrics, Readiness } from '@countersign/platform';
import { Injectable } from '@nestjs/common';
import type { FolderProblem } from './read-folder';

/** How this replica's folder stands to what is in force. */
export interface DirectoryState {
  folder: string;
  /** `empty`: no document, which deletes nothing. `waiting`: not applied yet, or the database or the folder failed. */
  state: 'waiting' | 'applied' | 'refused' | 'empty';
  /** Of the last apply that went through. */
  revision: number | null;
  problems: FolderProblem[];
}

const MAX_SHOWN = 50;
const HELP = 'Whether what the resources directory holds is in force: 1 yes, 0 no';

/** Tells operators how the directory stands: in the log when it changes, as a metric, at the management port. */
@Injectable()
export class DirectoryStatus {
  private current: DirectoryState | null = null;

  constructor(
    private readonly logger: Logger,
    private readonly metrics: Metrics,
    private readonly readiness: Readiness,
  ) {}

  begin(folder: string): void {
    this.show({ folder, state: 'waiting', revision: null, problems: [] });
    this.readiness.describe('resourcesDirectory', () => this.current);
  }

  applied(revision: number, findings: Finding[]): void {
    const { folder } = this.turnTo({ state: 'applied', revision, problems: [] }) ?? {};
    if (folder === undefined) return;
    const found = findings.slice(0, MAX_SHOWN);
    this.logger.info('documents of the directory applied', { folder, revision, findings: found });
  }

  /** The folder is again what was applied before. */
  unchanged(): void {
    this.turnTo({ state: 'applied', problems: [] });
  }

  empty(): void {
    const { folder } = this.turnTo({ state: 'empty', problems: [] }) ?? {};
    if (folder !== undefined) this.logger.warn('no documents in the directory, nothing is deleted', { folder });
  }

  notApplied(state: 'waiting' | 'refused', problems: FolderProblem[]): void {
    const turned = this.turnTo({ state, problems: problems.slice(0, MAX_SHOWN) });
    if (turned !== null) this.logger.error('documents of the directory not applied', { ...turned });
  }

  /** null when there is nothing new to say. */
  private turnTo(change: Partial<DirectoryState>): DirectoryState | null {
    if (this.current === null) return null;
    const next = { ...this.current, ...change };
    if (JSON.stringify(next) === JSON.stringify(this.current)) return null;
    this.show(next);
    return next;
  }

  private show(state: DirectoryState): void {
    this.current = state;
    this.metrics.gauge('countersign_resources_directory_applied', HELP).set(state.state === 'applied' ? 1 : 0);
  }
}
