import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { credentials, Metadata, Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ErrorInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../../src/gen/google/rpc/status_pb.ts';
import {
  type PublishRequest,
  PublishRequestSchema,
  PublishResponseSchema,
} from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import type { MQError } from '../../../src/sdk/mq-error.ts';
import { ProxyCalls } from '../../../src/sdk/proxy/proxy-calls.ts';
import { ProxyChannel } from '../../../src/sdk/proxy/proxy-channel.ts';
import { ProxyChannels } from '../../../src/sdk/proxy/proxy-channels.ts';
import { ageMsMax, idleMsMax } from '../../../src/sdk/proxy/publish-stream.ts';
import { PublishStreams } from '../../../src/sdk/proxy/publish-streams.ts';
import type { Token } from '../../../src/sdk/proxy/token.ts';

type Reply = MessageInitShape<typeof PublishResponseSchema>;
type Stream = ServerDuplexStream<PublishRequest, Reply>;

/** A proxy of which each test says what it does with requests: by default it stores all. */
class ScriptedProxy {
  address = '';
  onRequest = (request: PublishRequest, stream: Stream): void => void stream.write(stored(request));
  readonly streams: Stream[] = [];
  /** How many streams their clients have ended. */
  endedCount = 0;
  readonly #server = new Server();

  async start(): Promise<this> {
    const publish = {
      path: '/rocketmq.RocketMQProxy/Publish',
      requestStream: true,
      responseStream: true,
      requestSerialize: (request: PublishRequest) => Buffer.from(toBinary(PublishRequestSchema, request)),
      requestDeserialize: (bytes: Buffer) => fromBinary(PublishRequestSchema, bytes),
      responseSerialize: (reply: Reply) =>
        Buffer.from(toBinary(PublishResponseSchema, create(PublishResponseSchema, reply))),
      responseDeserialize: (bytes: Buffer) => fromBinary(PublishResponseSchema, bytes),
    };
    this.#server.addService({ publish }, { publish: (stream: Stream) => this.#serve(stream) });
    const port = await new Promise<number>((resolve, reject) => {
      const given = ServerCredentials.createInsecure();
      this.#server.bindAsync('127.0.0.1:0', given, (error, bound) => (error ? reject(error) : resolve(bound)));
    });
    this.address = `127.0.0.1:${port}`;
    onTestFinished(() => this.#server.forceShutdown());
    return this;
  }

  #serve(stream: Stream): void {
    this.streams.push(stream);
    stream.on('data', (request: PublishRequest) => this.onRequest(request, stream));
    stream.on('end', () => {
      this.endedCount += 1;
      stream.end();
    });
    stream.on('error', () => {});
  }

  /** Ends the connections at once. */
  cut(): void {
    this.#server.forceShutdown();
  }
}

function stored({ requestId, messages }: PublishRequest): Reply {
  const outcomes = messages.map(({ messageBody }) => ({ messageId: messageBody, outcome: { success: true } }));
  return { requestId, outcome: { success: true }, outcomes };
}

/** What a proxy ends a stream with that goes. */
function shuttingDown() {
  const info = anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason: 'SHUTTING_DOWN' }));
  const details = create(StatusSchema, { code: status.UNAVAILABLE, message: 'going', details: [info] });
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(toBinary(StatusSchema, details)));
  return { code: status.UNAVAILABLE, details: 'going', metadata };
}

async function stage({ proxyCount = 1, token }: { proxyCount?: number; token?: Token } = {}) {
  const proxies = await Promise.all(Array.from({ length: proxyCount }, () => new ScriptedProxy().start()));
  const channels = proxies.map(({ address }) => new ProxyChannel(address, credentials.createInsecure(), {}));
  onTestFinished(() => {
    for (const channel of channels) channel.close();
  });
  const streams = new PublishStreams(new ProxyCalls(new ProxyChannels(channels), 30_000, token));
  const send = (body: string, timeoutMs = 30_000) =>
    streams.send({ producerId: 'id', messages: [{ messageBody: body }] }, { endsAtMs: Date.now() + timeoutMs }).then(
      (outcomes) => outcomes.map(({ messageId }) => messageId).join(),
      ({ code, reason }: MQError) => `${code} ${reason}`,
    );
  const [proxy] = proxies;
  if (proxy === undefined) throw new Error('no proxy');
  return { proxy, proxies, streams, send };
}

test('requests go by one stream, and each has its own answer, in whatever order', async () => {
  const { proxy, send } = await stage();
  const held: (() => void)[] = [];
  proxy.onRequest = (request, stream) => {
    held.push(() => stream.write(stored(request)));
    if (held.length === 3) for (const answer of held.toReversed()) answer();
  };
  expect(await Promise.all(['1', '2', '3'].map((body) => send(body)))).toEqual(['1', '2', '3']);
  expect(proxy.streams).toHaveLength(1);
});

test('what a proxy refuses as a whole fails for its reason', async () => {
  const { proxy, send } = await stage();
  proxy.onRequest = ({ requestId }, stream) =>
    stream.write({ requestId, outcome: { success: false, code: status.NOT_FOUND, reason: 'ID_NOT_FOUND' } });
  expect(await send('x')).toBe('NOT_FOUND ID_NOT_FOUND');
});

test('what is not answered in time may be stored; what comes later is passed over', async () => {
  const { proxy, send } = await stage();
  expect(await send('before')).toBe('before');
  let late = (): void => {};
  proxy.onRequest = (request, stream) => {
    late = () => stream.write(stored(request));
  };
  expect(await send('slow', 200)).toBe('DEADLINE_EXCEEDED OUTCOME_UNKNOWN');
  proxy.onRequest = (request, stream) => {
    late();
    stream.write(stored(request));
  };
  expect(await send('after')).toBe('after');
  expect(proxy.streams).toHaveLength(1);
});

test.each([
  ['is cut', (proxy: ScriptedProxy) => proxy.cut()],
  ['is ended well', (_: ScriptedProxy, stream: Stream) => stream.end()],
  ['is cancelled', (_: ScriptedProxy, stream: Stream) => stream.emit('error', { code: status.CANCELLED })],
  ['is reset', (_: ScriptedProxy, stream: Stream) => stream.emit('error', { code: status.RESOURCE_EXHAUSTED })],
])('where a stream %s, what it had may be stored', async (_, end) => {
  const { proxy, send } = await stage();
  proxy.onRequest = (_request, stream) => end(proxy, stream);
  expect(await send('x')).toMatch(/OUTCOME_UNKNOWN$/);
});

test('what a proxy has not looked at that goes is sent by another one', async () => {
  const { proxies, send } = await stage({ proxyCount: 2 });
  for (const proxy of proxies) {
    proxy.onRequest = (_request, stream) => {
      // The other one stays.
      for (const other of proxies) other.onRequest = (request, by) => void by.write(stored(request));
      stream.emit('error', shuttingDown());
    };
  }
  expect(await send('x')).toBe('x');
  expect(proxies.map(({ streams }) => streams.length)).toEqual([1, 1]);
});

test('a stream that is a minute old is followed by another, for which the token is asked again', async () => {
  let tokenCount = 0;
  const token = (): string => {
    tokenCount += 1;
    return String(tokenCount);
  };
  const { proxy, send, streams } = await stage({ token });
  expect(await Promise.all([send('1'), send('2')])).toEqual(['1', '2']);
  expect(proxy.streams).toHaveLength(1);
  const startMs = performance.now();
  const now = vi.spyOn(performance, 'now').mockReturnValue(startMs + ageMsMax);
  onTestFinished(() => now.mockRestore());
  expect(streams.isOpen).toBe(false);
  expect(await send('3')).toBe('3');
  expect(proxy.streams.map(({ metadata }) => metadata.get('authorization'))).toHaveLength(2);
  expect(proxy.streams.at(-1)?.metadata.get('authorization')).toEqual([`Bearer ${tokenCount}`]);
  await vi.waitFor(() => expect(proxy.endedCount).toBe(1), 30_000);
});

test('a stream without requests ends by itself, and the next request opens another', async () => {
  const { proxy, send, streams } = await stage();
  expect(await send('1')).toBe('1');
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  expect(await send('2')).toBe('2');
  expect(streams.isOpen).toBe(true);
  vi.advanceTimersByTime(idleMsMax);
  vi.useRealTimers();
  expect(streams.isOpen).toBe(false);
  await vi.waitFor(() => expect(proxy.endedCount).toBe(1), 30_000);
  expect(await send('3')).toBe('3');
  expect(proxy.streams).toHaveLength(2);
});

test('the end of all lets what is under way be answered', async () => {
  const { proxy, send, streams } = await stage();
  let answer = (): void => {};
  const taken = new Promise<void>((resolve) => {
    proxy.onRequest = (request, stream) => {
      answer = () => void stream.write(stored(request));
      resolve();
    };
  });
  // Behind the end of its client's side a scripted stream would end before the answer.
  const sent = send('x');
  await taken;
  for (const stream of proxy.streams) stream.removeAllListeners('end');
  streams.end();
  answer();
  expect(await sent).toBe('x');
});
