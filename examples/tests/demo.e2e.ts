import { makeSandbox, root } from './sandbox';

test('the demo starts a system of its own and every step goes as expected', async () => {
  const sandbox = await makeSandbox({});
  const { code, out, err } = await sandbox.run(
    `"${process.execPath}" "${root}/tools/dist/demo.js"`,
    {},
    { deadlineMs: 200_000 },
  );
  await sandbox.remove();
  expect({ code, err, out: code === 0 ? '' : out }).toEqual({ code: 0, err: '', out: '' });
  expect(out).toContain('Every step went as expected.');
  expect(out).toMatch(/POST \/oauth2\/token\n.*400 .*token already used/);
  // Neither a token nor a secret is readable in what it prints.
  expect(out).not.toMatch(/eyJ[\w-]{20,}/);
  expect(out).not.toMatch(/whsec_\w/);
});
