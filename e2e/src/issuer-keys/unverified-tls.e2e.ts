import { execFile } from 'node:child_process';
import { resolve } from 'node:path';

const apps = resolve(__dirname, '../../../apps');

describe('NODE_TLS_REJECT_UNAUTHORIZED=0 (JWK-23)', () => {
  it.each(['exchange', 'discovery', 'policy', 'audit', 'standalone'])('%s does not start with it', async (service) => {
    const env = { PATH: process.env['PATH'], NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    const main = `${apps}/${service}/dist/main.js`;
    const ended = await new Promise<object>((done) => {
      execFile(process.execPath, [main], { env, timeout: 120_000 }, (error, stdout, stderr) => {
        done({ code: error?.code, stdout, stderr: stderr.split('\n')[0] });
      });
    });
    expect(ended).toEqual({
      code: 78,
      stdout: '',
      stderr: 'NODE_TLS_REJECT_UNAUTHORIZED=0: certificates are always verified; remove it',
    });
  });
});
