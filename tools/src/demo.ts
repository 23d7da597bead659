import { DemoClient, DemoFailure } from './demo-http';
import { startJob, type DemoJob } from './demo-job';
import { printEnd, printFailure, printNote, printStep } from './demo-print';
import { findServer } from './demo-server';
import * as steps from './demo-steps';
import { startReceiver, type Receiver } from './demo-webhook';

/** The main job, shown end to end; every step has to go as expected. */
async function demo(atEnd: (() => Promise<void>)[]): Promise<void> {
  printStep('A countersign to talk to');
  const server = await findServer(process.env);
  atEnd.push(server.stop);
  printNote(
    `${server.url} (${server.dataDir === null ? 'was running already' : 'embedded, lives as long as this demo'})`,
  );
  const client = new DemoClient(server.url, server.adminToken);

  printStep('A local issuer shaped like GitHub Actions');
  const job = await startJob();
  atEnd.push(job.stop);
  printNote(`countersign dev issuer -> ${job.iss}`);

  const receiver = await startReceiver();
  atEnd.push(receiver.stop);
  await mainJob(client, job, receiver, atEnd);
}

async function mainJob(
  client: DemoClient,
  job: DemoJob,
  receiver: Receiver,
  atEnd: (() => Promise<void>)[],
): Promise<void> {
  await steps.applyDocuments(client, job.iss);
  const webhook = await steps.registerWebhook(client, receiver.url);
  atEnd.push(() => steps.cleanUp(client, webhook.id));
  const subjectToken = await steps.mintJobToken(job, client.url);
  const accessToken = await steps.exchangeToken(client, subjectToken);
  steps.showIssuedToken(client, accessToken);
  await steps.askDecisions(client, accessToken);
  const eventId = await steps.showAuditEvent(client, accessToken);
  await steps.showWebhook(receiver, webhook.secret, eventId);
  await steps.exchangeAgain(client, subjectToken);
}

/** Rejects when somebody stops the demo, so that what it started is stopped as well. */
function interrupted(): Promise<never> {
  return new Promise((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => reject(new DemoFailure(`stopped by ${signal}`)));
    }
  });
}

async function main(): Promise<number> {
  const atEnd: (() => Promise<void>)[] = [];
  try {
    await Promise.race([demo(atEnd), interrupted()]);
    printEnd('Every step went as expected.');
    return 0;
  } catch (error) {
    printFailure(error instanceof DemoFailure ? error.message : String(error));
    return 1;
  } finally {
    for (const end of atEnd.reverse()) await end().catch((error: unknown) => printFailure(String(error)));
  }
}

void main().then((exitCode) => process.exit(exitCode));
