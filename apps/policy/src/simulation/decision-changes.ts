import type { SimulatedChange, SimulatedGroup, SimulationAnswer } from '@countersign/contracts';
import type { ExchangeDecision, StatementReference } from '@countersign/policy-engine';
import type { AskedExchange } from '../recorded/recorded-exchange';
import type { Redecision } from './redecide';

/** Members of a list that are shown; counts are never capped. */
const MOST_GROUPS = 200;
const MOST_NAMES = 50;
const MOST_EVENTS = 20;

interface Group {
  issuer: string;
  subject: string;
  count: number;
  roles: Set<string>;
  statements: Map<string, StatementReference>;
  eventIds: string[];
  /** Whose roles and statements are in already. */
  last: ExchangeDecision | null;
}

/** Attempts that changed in one way, by issuer and subject. */
class ChangeGroups {
  count = 0;
  private readonly groups = new Map<string, Group>();

  /** Oldest first. */
  add({ issuer, subject, eventId }: AskedExchange, granting: ExchangeDecision): void {
    this.count += 1;
    const key = JSON.stringify([issuer, subject]);
    const group = this.groups.get(key) ?? newGroup(issuer ?? '', subject ?? '');
    this.groups.set(key, group);
    group.count += 1;
    group.eventIds.unshift(eventId);
    group.eventIds.length = Math.min(group.eventIds.length, MOST_EVENTS);
    if (group.last === granting) return;
    group.last = granting;
    for (const role of granting.roles) group.roles.add(role);
    for (const statement of granting.statements) group.statements.set(JSON.stringify(statement), statement);
  }

  answer(): SimulatedChange {
    const groups = [...this.groups.values()].sort((a, b) => b.count - a.count || compare(a, b));
    return { count: this.count, groups: groups.slice(0, MOST_GROUPS).map(shown), groupCount: groups.length };
  }
}

const newGroup = (issuer: string, subject: string): Group => ({
  ...{ issuer, subject, count: 0, eventIds: [], last: null },
  roles: new Set(),
  statements: new Map(),
});

const compare = (a: Group, b: Group): number => (`${a.issuer} ${a.subject}` < `${b.issuer} ${b.subject}` ? -1 : 1);

const shown = ({ issuer, subject, count, roles, statements, eventIds }: Group): SimulatedGroup => ({
  ...{ issuer, subject, count },
  roles: [...roles].sort().slice(0, MOST_NAMES),
  statements: [...statements.values()].slice(0, MOST_NAMES),
  eventIds,
});

/** Counts what a change of documents changes about recorded exchanges. */
export class DecisionChanges {
  private evaluated = 0;
  private readonly groups = {
    newlyAllowed: new ChangeGroups(),
    newlyDenied: new ChangeGroups(),
    changedGrants: new ChangeGroups(),
  };

  /** Of an exchange that is not allowed any more, what allowed it is shown. */
  add(exchange: AskedExchange, { before, after, change }: Redecision): void {
    this.evaluated += 1;
    if (change !== null) this.groups[change].add(exchange, change === 'newlyDenied' ? before : after);
  }

  answer(): Omit<SimulationAnswer, 'from' | 'to' | 'skipped'> {
    const { evaluated } = this;
    const [newlyAllowed, newlyDenied] = [this.groups.newlyAllowed.answer(), this.groups.newlyDenied.answer()];
    const unchanged = { count: evaluated - newlyAllowed.count - newlyDenied.count };
    return { evaluated, newlyAllowed, newlyDenied, unchanged, changedGrants: this.groups.changedGrants.answer() };
  }
}
