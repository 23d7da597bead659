import fc from 'fast-check';
import { parseStrictJson, refuseJson } from './strict-json';

const limits = { depth: 4, members: 12 };
const names = fc.constantFrom('a', 'b', 'sub', '__proto__', 'constructor', 'ü', '1', '\ud800', '');
const values = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 6 },
    fc.constantFrom('x', 'é', '\u0000', '\ud83d\ude00', '\udc00', 0, -0, 1e400, 1.5, 1e21, true, null),
    fc.array(tie('any'), { maxLength: 4 }),
    fc.array(fc.tuple(names, tie('any')), { maxLength: 6 }).map((members) => ({ members })),
  ),
}));

interface Members {
  members: [string, unknown][];
}

/** JSON as issuers write it and as attackers do: members may be repeated, with spaces and escapes where asked for. */
function write(value: unknown, style: { space: string; escape: boolean }): string {
  const text = (one: string): string => {
    const plain = JSON.stringify(one);
    return style.escape ? plain.replace(/[a-z]/, (c) => `\\u00${c.charCodeAt(0).toString(16)}`) : plain;
  };
  if (typeof value === 'string') return text(value);
  if (value === Infinity) return '1e400';
  if (Array.isArray(value)) return `[${value.map((item) => write(item, style)).join(`,${style.space}`)}]`;
  if (typeof value !== 'object' || value === null) return Object.is(value, -0) ? '-0' : String(value);
  const members = (value as Members).members.map(([name, item]) => `${text(name)}:${style.space}${write(item, style)}`);
  return `{${members.join(',')}}`;
}

it('what is read is exactly what the full scan lets through, however it is written', () => {
  const styles = fc.record({ space: fc.constantFrom('', ' ', '\n'), escape: fc.boolean() });
  let read = 0;
  fc.assert(
    fc.property(values.any, styles, (value, style) => {
      const json = write(value, style);
      const result = parseStrictJson(Buffer.from(json), limits);
      const refusal = refuseJson(json, limits) ?? (json.startsWith('{') ? null : 'json_not_object');
      read += Number(result.ok);
      expect(result).toEqual(refusal === null ? { ok: true, value: JSON.parse(json) } : { ok: false, reason: refusal });
    }),
    { numRuns: 3_000, seed: 7 },
  );
  expect(read).toBeGreaterThan(100);
});
