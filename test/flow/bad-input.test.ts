import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageShape,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningBroker, startBroker } from '../../src/broker/broker.ts';
import { Health } from '../../src/gen/grpc/health/v1/health_pb.ts';
import { ServerReflection } from '../../src/gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionAlpha } from '../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { RocketMQProxy } from '../../src/gen/rocketmq/rocketmq_pb.ts';
import { type RunningProxy, startProxy } from '../../src/proxy/proxy.ts';
import { Row } from '../faults/figures.ts';
import { connectEngine } from '../support/engine-client.ts';
import { ProxyClient } from '../support/grpc-client.ts';
import { RawGrpcClient, type RawReply } from '../support/raw-grpc.ts';
import {
  encode,
  fieldsOf,
  type Init,
  type RequestField,
  withField,
  wrongJson,
  wronglyTyped,
} from '../support/request-fields.ts';
import { MemoryLog } from '../support/scripted-cluster.ts';
import { clientOf, proxyOptions, ways } from '../support/started-proxy.ts';
import { Case, type FieldLimits, fieldLimits } from './field-limits.ts';

const services = [RocketMQProxy, Health, ServerReflection, ServerReflectionAlpha];
const methods = services.flatMap((service) => service.methods);
const handleCount = 400;
const sentTopic = 'sent';

const pathOf = ({ parent, name }: DescMethod): string => `${parent.typeName}/${name}`;
const isStream = ({ methodKind }: DescMethod): boolean => methodKind !== 'unary';

describe('bad input, of every field of every RPC', { timeout: 120_000 }, () => {
  const log = new MemoryLog();
  const handles: string[] = [];
  /** Ids of what was stored, and whether it comes at once. */
  const stored = new Map<string, boolean>();
  const counts = { calls: 0, wrong: 0, leaks: 0 };
  let engine: RunningBroker;
  let proxy: RunningProxy;
  let published: ProxyClient;
  let ids: { readonly producerId: string; readonly consumerId: string; readonly streamedId: string };
  let groupCount = 0;

  beforeAll(async () => {
    engine = await startBroker({
      nameServerPort: 0,
      brokerName: 'canary-broker',
      transactionTimeoutMs: 100,
      transactionCheckIntervalMs: 200,
    });
    const defaults = {
      endpoint: engine.nameServer,
      accessKeyId: 'canary-key',
      accessKeySecret: 'canary-secret',
      instanceId: '',
    };
    // Handles are used some time after they came.
    const delivery = { invisibleDurationMs: 600_000, renewalDurationMs: 0, pollDurationMs: 5_000 };
    proxy = await startProxy(proxyOptions({ log, defaults, delivery }));
    published = new ProxyClient(`127.0.0.1:${proxy.port}`);
    const consumerId = await published.createConsumer('received', 'received');
    ids = {
      producerId: await published.createProducer(sentTopic),
      consumerId,
      streamedId: await published.createConsumer('streamed', 'streamed'),
    };
    const stream = published.receive(consumerId);
    await sendTo('received', handleCount);
    for (const { receipt_handle } of await stream.take(handleCount)) handles.push(receipt_handle);
  });

  afterAll(async () => {
    published?.close();
    await proxy?.close(0);
    await engine?.close();
  });

  async function sendTo(topic: string, count: number): Promise<void> {
    const producer_id = await published.createProducer(topic);
    const sends = Array.from({ length: count }, () =>
      published.send('SendMessage', { producer_id, message_body: 'received' }),
    );
    await Promise.all(sends);
  }

  /** A half message that waits for its outcome, or a message that waits for its time. */
  async function waiting(rpc: 'sendTransactionMessage' | 'sendDelayMessage', request: Init): Promise<string> {
    const { [rpc]: send } = clientOf(proxy.port);
    const reply: Init = await send({ producerId: ids.producerId, messageBody: 'waits', ...request });
    stored.set(String(reply['messageId']), false);
    return String(reply['transactionHandle'] ?? reply['recallHandle']);
  }

  /** Something for a stream to deliver. */
  async function feed({ localName }: DescMethod, { producerGroup = '' }: Init): Promise<void> {
    if (localName === 'receiveMessages') await sendTo('streamed', 1);
    if (localName === 'receiveTransactionChecks') {
      await waiting('sendTransactionMessage', { leftPending: true, producerGroup });
    }
  }

  /** A request that is right, in which a field is to be changed. */
  async function rightRequest({ localName }: DescMethod, field: string): Promise<Init> {
    const { producerId, consumerId, streamedId } = ids;
    const message = { ...(field.endsWith('.binary_body') ? {} : { messageBody: 'good' }) };
    const sent = { producerId, ...message };
    const settled = (): Init => ({ consumerId, receiptHandle: handles.pop() ?? '' });
    const from = field.endsWith('.consume_timestamp') ? { consumeFrom: 3 } : {};
    const requests: Readonly<Record<string, () => Init | Promise<Init>>> = {
      createProducer: () => ({ topic: sentTopic }),
      createConsumer: () => ({ topic: 'received', groupId: `g${groupCount++}`, ...from }),
      sendMessage: () => sent,
      sendOrderedMessage: () => ({
        ...sent,
        ...(field === 'MessageProperties.sharding_key' ? {} : { shardingKey: 'k' }),
      }),
      sendDelayMessage: () => sent,
      sendTransactionMessage: () => ({ ...sent, leftPending: field.endsWith('.producer_group') }),
      endTransaction: async () => ({
        producerId,
        transactionHandle: await waiting('sendTransactionMessage', { leftPending: true }),
        outcome: 2,
      }),
      receiveTransactionChecks: () => ({ producerId }),
      recallMessage: async () => ({
        producerId,
        recallHandle: await waiting('sendDelayMessage', { startDeliverTime: BigInt(Date.now() + 600_000) }),
      }),
      sendMessages: () => ({ producerId, messages: [message] }),
      publish: () => ({ producerId, messages: [message] }),
      getConsumerLag: () => ({ topic: 'received', groupId: 'received' }),
      ackMessage: settled,
      ackMessages: () => ({ consumerId, receiptHandles: [handles.pop()] }),
      nackMessage: settled,
      changeInvisibleDuration: () => ({ ...settled(), invisibleDurationMs: 30_000 }),
      cleanupProducer: () => ({ topic: 'no-such-topic' }),
      cleanupConsumer: () => ({ groupId: 'no-such-group' }),
      receiveMessages: () => ({ consumerId: streamedId }),
      serverReflectionInfo: () => ({ messageRequest: { case: 'listServices', value: '' } }),
    };
    return (await requests[localName]?.()) ?? {};
  }

  function limitsOf({ method, name }: RequestField): FieldLimits {
    const { producerId, consumerId } = ids;
    const world = { nameServer: engine.nameServer, producerId, consumerId, handle: handles.at(-1) ?? '' };
    const limits = fieldLimits(method.localName, world)[name];
    if (limits === undefined) throw new Error(`test/flow/field-limits.ts does not list ${name} of ${method.name}`);
    return limits;
  }

  /** How a call fares: the status of the call, or of what it answers for the first message that failed. */
  function statusOf(method: DescMethod, { status, message }: RawReply): string {
    if (status !== 'OK' || message === undefined) return status;
    // biome-ignore lint/suspicious/noExplicitAny: the reply of any RPC, of which each has some of these fields.
    const reply: any = fromBinary(method.output, message);
    const outcomes: { code?: number; outcome?: { code: number } }[] = [reply, ...(reply.outcomes ?? [])];
    const codes = outcomes.map((each) => each.outcome?.code ?? each.code ?? 0);
    const code = codes.find((each) => each !== 0) ?? reply.messageResponse?.value?.errorCode ?? 0;
    return code === 0 ? 'OK' : (Code[code] ?? String(code));
  }

  async function call(client: RawGrpcClient, at: RequestField, bytes: Uint8Array): Promise<RawReply> {
    const reply = await client.call(pathOf(at.method), bytes, isStream(at.method));
    counts.calls += 1;
    if (/canary|java|exception|org\.apache|node_modules/i.test(reply.text)) counts.leaks += 1;
    if (reply.status === 'OK' && reply.message !== undefined) note(at, reply.message);
    return reply;
  }

  function note({ method, name }: RequestField, message: Buffer): void {
    // biome-ignore lint/suspicious/noExplicitAny: as above.
    const reply: any = fromBinary(method.output, message);
    const sent: string[] = [reply, ...(reply.outcomes ?? [])].map((each) => each.messageId ?? '');
    if (!/^(send|publish)/.test(method.localName)) return;
    const isNow = !/deliver_time|delay_time_level|left_pending|producer_group/.test(name);
    for (const id of sent) if (id !== '') stored.set(id, isNow);
  }

  /** Of all fields of an RPC: each value that is told otherwise than the table says. */
  async function misjudged(client: RawGrpcClient, at: RequestField): Promise<string[]> {
    const { missing = 'OK', taken, refused, status = 'InvalidArgument' } = limitsOf(at);
    const cases = [
      ...(at.path.length > 0 ? [new Case(undefined, missing)] : []),
      ...taken.map((value) => caseOf(value, 'OK')),
      ...refused.map((value) => caseOf(value, status)),
    ];
    const wrong: string[] = [];
    for (const { value, status: expected } of cases) {
      const request = withField(await rightRequest(at.method, at.name), at.path, value);
      if (expected === 'OK') await feed(at.method, request);
      const reply = await call(client, at, encode(at.method, request));
      const got = statusOf(at.method, reply);
      if (got !== expected) wrong.push(`${at.name} = ${shown(value)}: ${got} (${reply.text}) instead of ${expected}`);
    }
    return wrong;
  }

  /** The same for what is no such field at all: refused, or passed over as if it were not there. */
  async function misread(client: RawGrpcClient, at: RequestField): Promise<string[]> {
    const { missing = 'OK', taken, status = '' } = limitsOf(at);
    const wrong: string[] = [];
    for (let index = 0; ; index += 1) {
      // A new one each time: passed over, it does what it says, and a handle can be given back once.
      const right = await rightRequest(at.method, at.name);
      const bytes = wronglyTyped(at, right)[index];
      if (bytes === undefined) return wrong;
      if (missing === 'OK') await feed(at.method, right);
      const reply = await call(client, at, bytes);
      const got = statusOf(at.method, reply);
      const isParsed = got === 'Internal' && reply.text.startsWith('parse binary');
      // Where a number stands for a text, it is read as the length of one.
      const isEmpty = got === 'OK' && taken.includes('');
      if (isParsed || isEmpty || [missing, status, 'InvalidArgument'].includes(got)) continue;
      wrong.push(
        `${at.name} as ${Buffer.from(bytes).toString('hex', Math.max(0, bytes.length - 20))}: ${got} (${reply.text})`,
      );
    }
  }

  /** By protocols other than gRPC, the last of the values that are refused. */
  async function misjudgedElsewhere(at: RequestField): Promise<string[]> {
    const { refused, status = 'InvalidArgument' } = limitsOf(at);
    const last = refused.at(-1);
    if (isStream(at.method) || last === undefined || last instanceof Case || last instanceof Uint8Array) return [];
    if (String(last).length > 1_000) return [];
    const wrong: string[] = [];
    for (const way of ['Connect with JSON', 'gRPC-web, HTTP/1.1'] as const) {
      // biome-ignore lint/suspicious/noExplicitAny: a client of any service.
      const client: any = createClient(at.method.parent, ways[way](proxy.port));
      const request = withField(await rightRequest(at.method, at.name), at.path, last);
      const reply: RawReply = await client[at.method.localName](request).then(
        (answer: MessageShape<DescMessage>) => ({
          status: 'OK',
          text: '',
          message: Buffer.from(toBinary(at.method.output, answer)),
        }),
        (error: unknown) => ({
          status: Code[ConnectError.from(error).code] ?? '',
          text: String(error),
          message: undefined,
        }),
      );
      counts.calls += 1;
      if (statusOf(at.method, reply) !== status) wrong.push(`${at.name} = ${shown(last)} by ${way}: ${reply.status}`);
    }
    return wrong;
  }

  /** Connect with JSON. */
  async function misreadJson(at: RequestField): Promise<string[]> {
    const { method, path, field, name } = at;
    if (isStream(method)) return [];
    const right = toJson(method.input, create(method.input, await rightRequest(method, name)));
    const wrong: string[] = [];
    for (const value of wrongJson(field)) {
      const body = path.reduceRight<unknown>(
        (within, { jsonName, fieldKind }, index) => ({
          ...(index === 0 ? Object(right) : {}),
          [jsonName]: fieldKind === 'list' && index < path.length - 1 ? [within] : within,
        }),
        value,
      );
      const response = await fetch(`http://127.0.0.1:${proxy.port}/${pathOf(method)}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      counts.calls += 1;
      const reply = await response.text();
      if (/"code":"invalid_argument"/.test(reply)) continue;
      wrong.push(`${name} = ${JSON.stringify(value)} in JSON: ${response.status} ${reply}`);
    }
    return wrong;
  }

  it.each(methods.map((method) => [pathOf(method), method] as const))('%s', async (path, method) => {
    const client = new RawGrpcClient(proxy.port);
    const first = await client.call(path, new Uint8Array(), true);
    if (first.status === 'Unimplemented') return;
    const wrong: string[] = [];
    for (const at of fieldsOf(method.parent).filter((each) => each.method === method)) {
      wrong.push(...(await misjudged(client, at)), ...(await misread(client, at)));
      wrong.push(...(await misjudgedElsewhere(at)), ...(await misreadJson(at)));
    }
    counts.wrong += wrong.length;
    expect(wrong).toEqual([]);
  });

  it('R-36: what was refused has not reached a broker, what was taken is there, and nobody was told a secret', async () => {
    const broker = await connectEngine(engine.brokerAddress);
    const there = new Set<string>();
    for (let queueId = 0; queueId < 4; queueId += 1) {
      for (let offset = 0; ; ) {
        const { messages, nextBeginOffset } = await broker.pull(sentTopic, { group: 'judge', queueId, offset });
        for (const { properties } of messages) there.add(properties.get('UNIQ_KEY') ?? '');
        if (messages.length === 0) break;
        offset = nextBeginOffset;
      }
    }
    const lost = [...stored].filter(([id, isNow]) => isNow && !there.has(id));
    const troubles = log.lines.filter(({ level }) => level === 'warn' || level === 'error');
    expect.soft(troubles).toEqual([]);
    new Row('R-36')
      .tell('calls', counts.calls)
      .exactly('told otherwise than the table says', counts.wrong, 0)
      .tell('stored', there.size)
      .exactly('answered as stored, and lost', lost.length, 0)
      .exactly('answered as refused, and stored', [...there].filter((id) => !stored.has(id)).length, 0)
      .exactly('texts with secrets or of inner parts', counts.leaks, 0)
      .exactly('failures of our own', troubles.length, 0)
      .judge();
  });
});

function caseOf(value: unknown, status: string): Case {
  return value instanceof Case ? value : new Case(value, status);
}

function shown(value: unknown): string {
  const plain = JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? String(each) : each)) ?? 'nothing';
  return plain.length > 60 ? `${plain.slice(0, 40)}… (${plain.length})` : plain;
}
