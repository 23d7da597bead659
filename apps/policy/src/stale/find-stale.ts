import type { StaleAnswer, StaleItem } from '@countersign/contracts';
import { Clock } from '@countersign/platform';
import type { Snapshot } from '@countersign/policy-engine';
import { Injectable } from '@nestjs/common';
import { PolicyDatabase } from '../policy-database';
import { CurrentSnapshot } from '../snapshot/current-snapshot';
import { LastUses } from './last-uses';
import { keyOf, readCreations, type Use } from './use-rows';

const DAY_MS = 24 * 60 * 60 * 1000;
const MOST = 1_000;
/** The clock of the database, which dates documents, and those that date events. */
const CLOCKS_DIFFER_MS = 5 * 60 * 1000;
/** All documents may be many. */
const READ_LIMIT = { limitMs: 5_000 };

type Place = Omit<Use, 'usedAt'>;
/** When a document and a part of it came to be and was used. */
type TimesOf = (document: string, place: Place) => StaleItem;

/** Finds trust that nobody uses: issuers, roles and statements in force of the newest revision. */
@Injectable()
export class FindStale {
  constructor(
    private readonly snapshots: CurrentSnapshot,
    private readonly lastUses: LastUses,
    private readonly database: PolicyDatabase,
    private readonly clock: Clock,
  ) {}

  /** @throws UnavailableError */
  async answer(days: number): Promise<StaleAnswer> {
    const snapshot = this.snapshots.current();
    // A server that hangs is found out within a second, and not by the long statements.
    await this.database.ping();
    const { uses, beganAt } = await this.lastUses.known();
    const created = await this.database.transaction(readCreations, READ_LIMIT);
    const unusedSince = new Date(this.clock.now() - days * DAY_MS).toISOString();
    const found = partsOf(snapshot, timesFrom(uses, created));
    const isStale = ({ lastUsedAt }: StaleItem): boolean => lastUsedAt === null || lastUsedAt < unusedSince;
    const issuers = found.issuers.filter(isStale).sort(longestUnused);
    const roles = found.roles.filter(isStale).sort(longestUnused);
    const statements = found.statements.filter(isStale).sort(longestUnused);
    return {
      revision: snapshot.revision,
      ...{ days, unusedSince, recordedSince: beganAt.toISOString() },
      issuers: issuers.slice(0, MOST),
      roles: roles.slice(0, MOST),
      statements: statements.slice(0, MOST),
      counts: { issuers: issuers.length, roles: roles.length, statements: statements.length },
    };
  }
}

/** A use before a document was deleted and made again is none of the new one. */
function timesFrom(uses: readonly Use[], created: ReadonlyMap<string, Date>): TimesOf {
  const usedAt = new Map(uses.map((use) => [keyOf(use), use.usedAt]));
  return (document, place) => {
    const createdAt = created.get(document) ?? new Date(0);
    const last = usedAt.get(keyOf(place));
    const isOfThis = last !== undefined && last.getTime() >= createdAt.getTime() - CLOCKS_DIFFER_MS;
    return { createdAt: createdAt.toISOString(), lastUsedAt: isOfThis ? last.toISOString() : null };
  };
}

function partsOf({ issuers, roles, policies }: Snapshot, timesOf: TimesOf) {
  return {
    issuers: [...issuers.values()].map(({ name, iss }) => ({
      ...{ name, iss },
      ...timesOf(`JwtIssuer/${name}`, { kind: 'issuer', name, sid: '' }),
    })),
    roles: [...roles.values()].map(({ name, shadow }) => ({
      ...{ name, shadow },
      ...timesOf(`Role/${name}`, { kind: 'role', name, sid: '' }),
    })),
    statements: [...policies.values()].flatMap(({ name: policy, statements }) =>
      statements.map(({ sid, effect }) => ({
        ...{ policy, sid, effect },
        ...timesOf(`Policy/${policy}`, { kind: 'statement', name: policy, sid: sid ?? '' }),
      })),
    ),
  };
}

/** Those never used first; the order of the documents otherwise. */
const longestUnused = (a: StaleItem, b: StaleItem): number => {
  const [first, second] = [a.lastUsedAt ?? '', b.lastUsedAt ?? ''];
  return first < second ? -1 : first > second ? 1 : 0;
};
