/**
 * A test that this machine may not be able to run: with a reason it is left out, and its name and a line of output say
 * why: a run of many files shows no names.
 */
export function testUnless(refusal: string | null, name: string, run: () => Promise<void>): void {
  if (refusal === null) return void test(name, run);
  const leftOut = `${name} [left out: ${refusal}]`;
  process.stderr.write(`${leftOut}\n`);
  test.skip(leftOut, run);
}
