import { commandUnderTest } from './command.fixture';

const cli = commandUnderTest();

const role = (name: string): string => `kind: Role\nmetadata: { name: ${name} }\n`;
const none = { count: 0, groupCount: 0, groups: [] };
const summary = { cases: 0, passed: 0, failed: 0, neighbours: null };

beforeEach(() => {
  // What any of the commands wants to read.
  cli.answer({
    ...{ revision: 1, dryRun: true, results: [], findings: [], passed: true, cases: [], summary },
    ...{ from: '', to: '', evaluated: 0, skipped: 0, unchanged: none },
    ...{ newlyAllowed: none, newlyDenied: none, changedGrants: none },
  });
  for (const name of ['one', 'two']) cli.file(`${name}.yaml`, role(name));
});

const commands = [['apply'], ['diff'], ['simulate'], ['lint'], ['test']];

describe.each(commands)('countersign %s', (command) => {
  test.each([
    [['one.yaml', 'two.yaml']],
    [['-f', 'one.yaml', 'two.yaml']],
    [['-f', 'one.yaml', '--filename', 'two.yaml']],
    [['one.yaml', '-f', 'two.yaml']],
    [['.']],
    [['one.yaml', '-']],
  ])('reads the documents of %j', async (paths) => {
    const readStdin = (): Promise<string> => Promise.resolve(role('two'));
    const { code, err } = await cli.run([command, ...paths], { readStdin });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(cli.seen[0]?.body).toMatch(/one[^]*two/);
  });
});

test.each([['apply'], ['diff'], ['simulate'], ['test'], ['lint', '--offline']])(
  'countersign %s %s wants documents',
  async (...args) => {
    const { code, err } = await cli.run(args);
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining('Name a file, a folder, or -') });
    expect(cli.seen).toEqual([]);
  },
);
