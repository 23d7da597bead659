import { InvalidArgumentError, type Command } from 'commander';

/** What `GET /v1/events` and its stream filter by, as options of a command. */
export interface EventFilterOptions {
  type?: string;
  issuer?: string;
  subject?: string;
  role?: string;
  outcome?: string;
  traceId?: string;
}

export const withEventFilters = (command: Command): Command =>
  command
    .option('--type <type>', 'event type, with or without `dev.countersign.` and `.v1`')
    .option('--issuer <name>', 'name of the JwtIssuer')
    .option('--subject <subject>', 'subject of the event, `<issuer>:<sub>`')
    .option('--role <name>')
    .option('--outcome <outcome>', 'granted, denied or voided')
    .option('--trace-id <id>', 'trace id, as in an answer or a log line');

/** The query parameters of these options. */
export function filterQuery(options: EventFilterOptions): Record<string, string | undefined> {
  const { type, issuer, subject, role, outcome, traceId } = options;
  return { type: type === undefined ? undefined : fullType(type), issuer, subject, role, outcome, traceId };
}

/** `exchange.denied` and the whole name mean the same type. */
export const fullType = (type: string): string =>
  type.startsWith('dev.countersign.') ? type : `dev.countersign.${type.replace(/\.v1$/, '')}.v1`;

export const shortType = (type: string): string => type.replace(/^dev\.countersign\./, '').replace(/\.v1$/, '');

export function parseLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1) throw new InvalidArgumentError('give a whole number from 1 on');
  return limit;
}
