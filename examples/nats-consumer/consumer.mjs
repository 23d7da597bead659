// Reads countersign's events from NATS: each at least once, from the first one on, also those of a time when it was away.
// NATS_URL=nats://127.0.0.1:4222 NATS_PASSWORD=… node consumer.mjs
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

const connection = await connect({
  servers: process.env.NATS_URL ?? 'nats://127.0.0.1:4222',
  user: 'subscriber',
  pass: process.env.NATS_PASSWORD,
  // The only inbox that this user may read.
  inboxPrefix: '_INBOX_subscriber',
  maxReconnectAttempts: -1,
});

// The server keeps the place of this consumer; several processes that use it share the events among them.
const stream = jetstream(connection, { apiPrefix: 'JS.countersign.API' });
const consumer = await stream.consumers.get('COUNTERSIGN_AUDIT', 'subscriber');
const messages = await consumer.consume({ max_messages: 100 });
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => messages.stop());

const seen = new Set();
for await (const message of messages) {
  // One event, or a list of them: what happens at the same time comes in one message.
  for (const event of [message.json()].flat()) {
    // It may come twice; its id tells. Subjects are words of strangers: as JSON they cannot forge a line of the log.
    if (!seen.has(event.id)) console.log(JSON.stringify({ type: event.type, subject: event.subject, id: event.id }));
    seen.add(event.id);
  }
  // Only now: what was not acknowledged comes again.
  message.ack();
}
await connection.drain();
