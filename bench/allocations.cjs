// Loaded into a service by `node --require`: from one SIGUSR2 to the next it takes samples of what is allocated, and
// writes how many bytes that was.
const { renameSync, writeFileSync } = require('node:fs');
const { Session } = require('node:inspector');
const { basename, dirname, join } = require('node:path');

const folder = process.env.BENCH_ALLOCATIONS;
const service = basename(dirname(dirname(process.argv[1] ?? 'node')));
const session = new Session();
session.connect();
let isOn = false;

const start = () =>
  session.post('HeapProfiler.startSampling', {
    samplingInterval: 16_384,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });

const bytesOf = ({ selfSize, children }) => children.reduce((sum, child) => sum + bytesOf(child), selfSize);

const stop = () =>
  session.post('HeapProfiler.stopSampling', (error, result) => {
    if (error) throw new Error(error.message);
    const file = join(folder, service);
    writeFileSync(`${file}.part`, String(bytesOf(result.profile.head)));
    renameSync(`${file}.part`, file);
  });

process.on('SIGUSR2', () => {
  isOn = !isOn;
  if (isOn) start();
  else stop();
});
