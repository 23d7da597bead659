// The container's own check: no shell and no curl in the image.
const port = process.env.COUNTERSIGN_PORT ?? '8080';
const answer = await fetch(`http://127.0.0.1:${port}/health/ready`, { signal: AbortSignal.timeout(2_000) }).catch(
  () => null,
);
process.exitCode = answer?.status === 200 ? 0 : 1;
