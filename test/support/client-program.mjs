// A consumer by our own client in a process of its own, to be killed: node client-program.mjs OPTIONS
// OPTIONS are those of client-process.ts as JSON. Writes each message that comes as one line of JSON, and acknowledges nothing.
import { ClusterClient } from '../../dist/client/client.js';
import { parseTagFilter } from '../../dist/client/message-filter.js';
import { clientDefaults } from '../../dist/client/options.js';
import { Deadline } from '../../dist/remoting/deadline.js';

const [, , options] = process.argv;
const { nameServer, group, topic, mode, invisibleDurationMs, messagesMax } = JSON.parse(options);
const nothing = () => {};
const log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
const client = new ClusterClient({ ...clientDefaults, nameServers: [nameServer], log });
const filter = parseTagFilter('*');
const durations = { invisibleDurationMs, renewalDurationMs: 0, pollDurationMs: 5_000 };
const consumer = client.consumer({ subscriber: { group, topic }, filter, ...durations }, mode);
await consumer.open(Deadline.after(30_000));
for await (const { body, messageId, receipt } of consumer.stream({
  messagesMax,
  signal: new AbortController().signal,
})) {
  const { popTimeMs = 0, invisibleDurationMs: durationMs = 0 } = receipt;
  process.stdout.write(
    `${JSON.stringify({ body: body.toString(), messageId, visibleAtMs: popTimeMs + durationMs })}\n`,
  );
}
