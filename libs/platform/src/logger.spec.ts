import { Logger } from './index';

function lines(work: (logger: Logger) => void): Record<string, unknown>[] {
  const written: string[] = [];
  work(new Logger('probe', 'debug', (line) => void written.push(line)));
  return written.map((line) => JSON.parse(line) as Record<string, unknown>);
}

it.each([
  ['a line end', 'x\n{"level":"error","msg":"forged"}'],
  ['a carriage return', 'x\r{"forged":1}'],
  ['an escape sequence', 'x\u001b[2Jy'],
])('ADM-14: %s in a field does not make a second line, nor reach a terminal', (_, text) => {
  const written: string[] = [];
  new Logger('probe', 'debug', (line) => void written.push(line)).warn(text, { claim: text, [text]: 1 });
  expect(written).toHaveLength(1);
  expect(written[0]?.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f]/);
  expect(JSON.parse(written[0] ?? '')).toMatchObject({ msg: text, claim: text });
});

it('AUD-02: an error that carries a token does not carry it into the log', () => {
  const token = `eyJhbGciOiJFUzI1NiJ9.${Buffer.from('{"sub":"x"}').toString('base64url')}.${'s'.repeat(86)}`;
  const error = Object.assign(new Error(`cannot verify ${token}`, { cause: new Error(`Bearer ${token}`) }), { token });
  const [line] = lines((logger) => logger.error(`failed on ${token}`, { error, request: { body: token } }));
  expect(JSON.stringify(line)).not.toContain('s'.repeat(20));
});
