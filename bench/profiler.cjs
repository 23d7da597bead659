// Loaded into a service by `node --require`: writes a CPU profile (Chrome DevTools, speedscope) when it ends.
const { mkdirSync, writeFileSync } = require('node:fs');
const { Session } = require('node:inspector');
const { basename, dirname, join } = require('node:path');

const folder = process.env.BENCH_PROFILES;
const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.start');
// In the same thread the answer comes before `post` returns.
process.on('exit', () =>
  session.post('Profiler.stop', (error, { profile }) => {
    if (error) return;
    const service = basename(dirname(dirname(process.argv[1] ?? 'node')));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${service}-${process.pid}.cpuprofile`), JSON.stringify(profile));
  }),
);
