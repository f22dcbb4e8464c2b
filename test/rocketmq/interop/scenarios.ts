import { expect } from 'vitest';
import { WebError, type WebStream } from '../../support/web-protocols.ts';
import type { Speak } from './speakers.ts';

const large = 'größe 🚀 '.repeat(30_000);
const messageCount = 500;

/** What is judged, of a client on a topic of its own: the same as in `go/scenarios.go` and `java/src/interop/Scenarios.java`. */
export const scenarios = {
  unary: (speak, topic) => echo(speak, speak, topic, 'Grüße 🚀'),
  large: (speak, topic) => echo(speak, speak, topic, large),
  gzip: (speak, topic) => echo(speak, (options) => speak({ ...options, isGzip: true }), topic, large),
  stream: receiveAll,
  cancel,
  deadline: passDeadline,
  error: failCall,
} as const satisfies Record<string, (speak: Speak, topic: string) => Promise<void>>;

/** A consumer that receives, and a producer of its topic. */
async function subscribe(speak: Speak, topic: string) {
  const client = speak();
  const { consumer_id } = await client.call('CreateConsumer', { topic, group_id: topic });
  const { producer_id } = await client.call('CreateProducer', { topic });
  return { client, consumer_id, producer_id, receive: () => client.receive(String(consumer_id)) };
}

async function echo(speak: Speak, speakToSend: Speak, topic: string, message_body: string): Promise<void> {
  const { client, consumer_id, producer_id, receive } = await subscribe(speak, topic);
  const stream = receive();
  await speakToSend().call('SendMessage', { producer_id, message_body });
  const message = await stream.next();
  expect(message['message_body'] === message_body).toBe(true);
  await client.call('AckMessage', { consumer_id, receipt_handle: message['receipt_handle'] });
  stream.cancel();
}

/** On a machine that stands still some are sent twice. */
async function receiveAll(speak: Speak, topic: string): Promise<void> {
  const { client, consumer_id, producer_id, receive } = await subscribe(speak, topic);
  const stream = receive();
  const messages = Array.from({ length: messageCount }, (_, index) => ({ message_body: String(index) }));
  await client.call('SendMessages', { producer_id, messages });
  const bodies = new Set<unknown>();
  const receipt_handles: unknown[] = [];
  while (bodies.size < messageCount) {
    const message = await stream.next();
    bodies.add(message['message_body']);
    receipt_handles.push(message['receipt_handle']);
  }
  await client.call('AckMessages', { consumer_id, receipt_handles });
  stream.cancel();
}

/** Leaves a message, which then comes again: its invisible time is longer than the test. */
async function cancel(speak: Speak, topic: string): Promise<void> {
  const { client, consumer_id, producer_id, receive } = await subscribe(speak, topic);
  const stream = receive();
  await client.call('SendMessage', { producer_id, message_body: 'left' });
  await stream.next();
  stream.cancel();
  const next = receive();
  const message = await next.next();
  expect(message['reconsume_times']).toBeGreaterThanOrEqual(1);
  await client.call('AckMessage', { consumer_id, receipt_handle: message['receipt_handle'] });
  next.cancel();
}

async function passDeadline(speak: Speak, topic: string): Promise<void> {
  const { consumer_id } = await subscribe(speak, topic);
  const stream: WebStream = speak({ timeoutMs: 300 }).receive(String(consumer_id));
  await expect(stream.next()).rejects.toMatchObject({ code: 'deadline_exceeded' });
}

async function failCall(speak: Speak): Promise<void> {
  const failure = await speak()
    .call('AckMessage', { consumer_id: 'größe 100%' })
    .catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(WebError);
  expect(failure).toMatchObject({
    code: 'not_found',
    message: expect.stringContaining('consumer_id is unknown here'),
    reason: 'ID_NOT_FOUND',
  });
}
