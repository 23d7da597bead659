import { parseDocument } from '@countersign/contracts';
import { seeded } from '@countersign/testing';
import { PolicyServices, type PolicyService } from '../policy-service.fixture';
import { StoredDocuments, type StoredState } from './stored-documents';
import { written, writtenPolicy } from './written.fixture';

jest.mock('@countersign/contracts', () => {
  const actual = jest.requireActual<typeof import('@countersign/contracts')>('@countersign/contracts');
  return { ...actual, parseDocument: jest.fn(actual.parseDocument) };
});

const services = new PolicyServices();
let service: PolicyService;
let followed: StoredDocuments;

beforeAll(async () => {
  service = await services.start();
  followed = new StoredDocuments(service.database);
});

afterAll(() => services.stop());

beforeEach(() => service.empty());

const issuer = written('JwtIssuer', 'i', { iss: 'https://ci.example', aud: ['ci'] });
const role = (name: string, sub: string): object =>
  written('Role', name, {
    policy: ['p'],
    condition: { StringEqual: { 'jwt:iss': ['https://ci.example'], 'jwt:sub': [sub] } },
  });
const apply = async (documents: object[], query = '') => {
  const { status } = await service.call(`/v1/apply${query}`, { method: 'POST', body: documents });
  expect(status).toBe(200);
};
const remove = (name: string) => service.call(`/v1/resources/Policy/${name}`, { method: 'DELETE' });
const visible = ({ newest, documents }: StoredState) => ({ newest, documents: [...documents] });
/** What a process has that has just started. */
const fresh = () => new StoredDocuments(service.database).load();

/** @returns how many documents are not the objects they were */
async function requireSame(before?: StoredState): Promise<number> {
  const after = await followed.load();
  expect(visible(after)).toEqual(visible(await fresh()));
  return [...after.documents].filter(([key, document]) => before?.documents.get(key) !== document).length;
}

describe('the documents in memory', () => {
  it('are those that a new process reads, whatever the series of changes', async () => {
    const random = seeded(20_261_122);
    const pick = (most: number): number => Math.floor(random() * most);
    // PostgreSQL takes no NUL out of JSON, and a deleted document may hold one.
    const one = () => writtenPolicy(`p${pick(9)}`, `A:${pick(3)}`, { note: ['', 'with \u0000 in it'][pick(2)] ?? '' });
    const steps = [
      () => apply([one()]),
      () => apply([writtenPolicy('a'), writtenPolicy('z')]),
      () => apply([one()], '?prune=true'),
      () => remove(`p${pick(9)}`),
      async () => void (await remove('p1'), await apply([writtenPolicy('p1', 'B:1')])),
      () => service.call('/v1/revisions/1/restore', { method: 'POST' }),
      () => service.handOver(`p${pick(9)}`, pick(2) === 0 ? 'api' : 'directory'),
      () =>
        service.sql(`INSERT INTO policy.document (kind, name, api_version, owner, raw, etag, revision)
        SELECT 'Role', 'broken-${pick(99)}', 'v', 'api', '7', '"x"', 1 + max(number) FROM policy.revision ON CONFLICT DO NOTHING`),
    ];
    await apply([writtenPolicy('p0')]);
    for (let n = 0; n < 60; n += 1) {
      await steps[n < steps.length ? n : pick(steps.length)]?.();
      // Some revisions are met together.
      if (pick(3) > 0) await requireSame();
    }
    await requireSame();
  });

  it('are read and validated where they changed, and nowhere else', async () => {
    const names = Array.from({ length: 300 }, (_, n) => `r${n}`);
    await apply([issuer, writtenPolicy('p'), ...names.map((name) => role(name, name))]);
    await apply([writtenPolicy('old')]);
    expect(await requireSame()).toBe(303);
    const before = await followed.load();
    expect(await followed.load()).toBe(before);
    jest.mocked(parseDocument).mockClear();
    await apply([role('r7', 'somebody')]);
    // As it was given, and as it is stored.
    expect(parseDocument).toHaveBeenCalledTimes(2);
    await remove('old');
    expect(parseDocument).toHaveBeenCalledTimes(2);
    expect(await requireSame(before)).toBe(1);
  });

  describe('when the database has gone back to a backup', () => {
    const back = [
      'DELETE FROM policy.revision WHERE number > 2',
      'DELETE FROM policy.document',
      'INSERT INTO policy.document SELECT * FROM policy.backup',
      'DROP TABLE policy.backup',
    ];

    it.each<[string, number, boolean]>([
      ['and nothing came since', 0, false],
      ['and the revision that was loaded is another one by now', 2, true],
      ['and later numbers are in use already, but not that of the revision that was loaded', 3, false],
      ['and later numbers are in use already, that of the revision that was loaded, too', 4, true],
    ])('are read anew: %s', async (_, later, sameNumbers) => {
      await apply([writtenPolicy('p1'), writtenPolicy('p2')]);
      await apply([writtenPolicy('p3')]);
      await service.sql('CREATE TABLE policy.backup AS SELECT * FROM policy.document');
      await apply([writtenPolicy('p1', 'Lost:Change'), writtenPolicy('lost')]);
      await remove('p2');
      await followed.load();
      for (const statement of back) await service.sql(statement);
      if (sameNumbers) await service.sql('ALTER TABLE policy.revision ALTER COLUMN number RESTART WITH 3');
      for (let n = 0; n < later; n += 1) await apply([writtenPolicy(`later-${n}`)]);
      await requireSame();
      const { documents } = await followed.load();
      expect([...documents.keys()].slice(-3)).toEqual(['Policy/p1', 'Policy/p2', 'Policy/p3']);
    });
  });
});
