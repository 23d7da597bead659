import { parseDocument, type ParsedDocument } from '@countersign/contracts';
import { parseOperator, type DocumentEdit, type DocumentKind, type RoleDocument } from '@countersign/policy-engine';
import { READ_LIMIT, type StoredDocument } from '../documents/document-rows';
import { NEWEST } from '../documents/revision-rows';
import { PolicyDatabase } from '../policy-database';

type Raw = Record<string, unknown>;

const SQL = `
SELECT r.number AS revision, d.kind, d.name, d.raw FROM (${NEWEST}) r
LEFT JOIN policy.document d ON d.kind = 'JwtIssuer' OR d.kind = 'Role' AND d.name = ANY ($1)
  OR d.kind = 'Policy' AND d.name = ANY ($2)`;

type Row = { revision: number } & (Pick<StoredDocument, 'kind' | 'name' | 'raw'> | { kind: null });

/** Documents of one revision as their authors wrote them: all issuers, and the roles and policies asked for. */
export class WrittenDocuments {
  private readonly raw = new Map<string, Raw>();
  private read: readonly ParsedDocument[] | undefined;

  private constructor(
    readonly revision: number,
    rows: readonly Row[],
  ) {
    for (const row of rows) if (row.kind !== null) this.raw.set(`${row.kind}/${row.name}`, row.raw);
  }

  /** @throws UnavailableError */
  static async load(
    database: PolicyDatabase,
    names: { roles: readonly string[]; policies: readonly string[] },
  ): Promise<WrittenDocuments> {
    const rows = await database.query<Row>(SQL, [names.roles, names.policies], READ_LIMIT);
    return new WrittenDocuments(rows[0]?.revision ?? 0, rows);
  }

  find(kind: DocumentKind, name: string): Raw | null {
    return this.raw.get(`${kind}/${name}`) ?? null;
  }

  /** Normalised; what does not pass validation any more is left out, as in every decision. */
  parsed(): readonly ParsedDocument[] {
    return (this.read ??= [...this.raw.values()].flatMap((raw) => {
      const result = parseDocument(raw);
      return result.ok ? [result.document] : [];
    }));
  }

  roles(): Map<string, RoleDocument> {
    const roles = this.parsed().filter((document) => document.kind === 'Role');
    return new Map(roles.map((role) => [role.name, role]));
  }

  /** A path of the normalised document, in this one: with the operator in the spelling that stands there. */
  pathIn(kind: DocumentKind, name: string, path: string): string {
    return writtenPath(this.find(kind, name), path);
  }
}

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Raw)[name] : undefined;

/** Operators have synonyms; only the first token after `condition` is one. */
function writtenPath(raw: Raw | null, path: string): string {
  const [, before, canonical, after] = /^(.*\/condition)\/([^/]+)(.*)$/s.exec(path) ?? [];
  if (raw === null || before === undefined || canonical === undefined || before.split('/').length > 5) return path;
  const condition = before.split('/').slice(1).reduce<unknown>(memberOf, raw);
  const spellings = typeof condition === 'object' && condition !== null ? Object.keys(condition) : [];
  const spelling = spellings.find((written) => parseOperator(written)?.name === canonical);
  return spelling === undefined ? path : `${before}/${spelling}${after ?? ''}`;
}

/**
 * An edit of the normalised role as an edit of the document as it was written, where an operator may be a synonym
 * and a list of one a scalar.
 */
export function writtenEdit(raw: Raw, edit: DocumentEdit): DocumentEdit {
  const path = writtenPath(raw, edit.path);
  const [, list, place] = /^(.*)\/(-|\d+)$/s.exec(path) ?? [];
  if (list === undefined) return { ...edit, path };
  const tokens = list.split('/').slice(1);
  const written = tokens
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>(memberOf, raw);
  if (written === undefined || typeof written === 'object') return { ...edit, path };
  return { op: 'replace', path: list, value: place === '-' ? [written, edit.value] : [edit.value] };
}
