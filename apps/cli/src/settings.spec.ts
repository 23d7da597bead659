import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSettings } from './settings';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-cli-'));
  writeFileSync(join(folder, 'admin-token'), 'embedded-token\n');
});

afterAll(() => rmSync(folder, { recursive: true }));

const tokenFor = (url: string, token?: string): string | null =>
  readSettings({ env: { COUNTERSIGN_URL: url, COUNTERSIGN_DATA_DIR: folder, COUNTERSIGN_TOKEN: token }, cwd: folder })
    .token;

it.each([
  ['http://127.0.0.1:8080', 'embedded-token'],
  ['http://127.8.0.1:8080', 'embedded-token'],
  ['http://localhost:8080', 'embedded-token'],
  ['http://[::1]:8080', 'embedded-token'],
  ['https://sts.example.com', null],
  ['http://127.0.0.1.example.com', null],
  ['http://127.0.0.1@example.com', null],
  ['http://localhost.example.com', null],
  ['http://10.0.0.1', null],
])("the embedded mode's admin token, sent to %s: %s", (url, wanted) => {
  expect(tokenFor(url)).toBe(wanted);
});

it('COUNTERSIGN_TOKEN goes first, everywhere', () => {
  expect(tokenFor('https://sts.example.com', ' given ')).toBe('given');
  expect(tokenFor('http://127.0.0.1:8080', 'given')).toBe('given');
});

it.each(['not a url', 'ftp://example.com', 'file:///etc/passwd'])('refuses COUNTERSIGN_URL=%s', (url) => {
  expect(() => tokenFor(url)).toThrow(/COUNTERSIGN_URL/);
});
