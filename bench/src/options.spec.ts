import { parseOptions, PARTS } from './options';

it('without arguments everything is measured', () => expect(parseOptions([]).parts).toEqual(PARTS));

it.each([
  [['us', 'floors'], { parts: ['floors', 'us'], rounds: 3, check: false }],
  [['peer', '--quick', '--check'], { parts: ['peer'], rounds: 1, roles: [10, 1_000], check: true }],
  [['memory', '--quick', '--exchanges', '500000'], { exchanges: 500_000 }],
  [['--requests=7', '--rounds', '2', '--json', 'x.json'], { requests: 7, rounds: 2, json: 'x.json' }],
])('%j', (args, expected) => expect(parseOptions(args)).toMatchObject(expected));

it.each([
  [['everything'], 'everything'],
  [['--requests', '0'], '--requests'],
  [['--rounds', 'many'], '--rounds'],
  [['--wrong'], '--wrong'],
])('%j is refused, and the refusal names it', (args, named) => expect(() => parseOptions(args)).toThrow(named));
