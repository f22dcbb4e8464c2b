import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import * as otel from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { expect, it, onTestFinished } from 'vitest';
import { RocketMQClient } from '../../src/client/api/rocketmq-client.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import { MQClient } from '../../src/sdk/mq-client.ts';
import type { Logger, MQConfig } from '../../src/sdk/mq-config.ts';
import { Row } from '../faults/figures.ts';
import { startTestEngine } from '../support/engine-client.ts';
import { startScriptedCluster } from '../support/scripted-cluster.ts';
import { Inbox } from '../support/sdk-inbox.ts';
import { SettingFolder } from '../support/setting-files.ts';
import { startTestProxy } from '../support/started-proxy.ts';
import { closedAddress } from '../support/tcp-peers.ts';

/** What must not be told, each in a form that nothing else has. */
const secrets = {
  accessKey: 'canary-access-key',
  secretKey: 'canary-secret-key',
  wrongAccessKey: 'canary-access-key-of-nobody',
  wrongSecretKey: 'canary-secret-key-of-nobody',
  token: 'canary-token',
  wrongToken: 'canary-token-of-nobody',
  body: 'canary-body',
  property: 'canary-property',
};
/** As clients sign what brokers get: HMAC-SHA1 in base64. */
const signature = /(?<![\w+/])[A-Za-z0-9+/]{27}=(?!=)/;
const keys = { accessKey: secrets.accessKey, secretKey: secrets.secretKey };
const wrongKeys = { accessKey: secrets.wrongAccessKey, secretKey: secrets.wrongSecretKey };

/** All that programs could write into a log: also what is inside of what they get. */
class Told {
  readonly texts: string[] = [];
  failureCount = 0;
  readonly logger: Logger = {
    debug: (...line) => this.note(line),
    info: (...line) => this.note(line),
    warn: (...line) => this.note(line),
    error: (...line) => this.note(line),
  };

  note(thing: unknown): void {
    this.texts.push(inspect(thing, { depth: null, showHidden: true, maxStringLength: null, maxArrayLength: null }));
    this.texts.push(JSON.stringify(thing, (_, value) => (typeof value === 'bigint' ? String(value) : value)) ?? '');
  }

  /** Waits for calls that must fail. */
  async failures(calls: readonly Promise<unknown>[]): Promise<void> {
    for (const result of await Promise.allSettled(calls)) {
      if (result.status === 'fulfilled') continue;
      this.failureCount += 1;
      this.note(result.reason);
    }
  }

  judge(row: Row, whose: string, failureCount: number): Row {
    const all = this.texts.join('\n');
    const hits = Object.entries(secrets).flatMap(([name, secret]) => (all.includes(secret) ? [name] : []));
    return row
      .atLeast(`${whose}: calls that failed`, this.failureCount, failureCount)
      .tell(`${whose}: characters of errors and what else is told`, all.length)
      .exactly(`${whose}: secrets in them${hits.map((name) => ` (${name})`).join('')}`, hits.length, 0)
      .exactly(`${whose}: signatures in them`, signature.test(all) ? 1 : 0, 0);
  }
}

/** A broker of 4.9 that knows nobody, and says whom it does not know. */
async function startStranger(): Promise<string> {
  const cluster = await startScriptedCluster();
  onTestFinished(() => cluster.stop());
  const refusal = `org.apache.rocketmq.acl.common.AclException: Check signature failed for accessKey=${secrets.wrongAccessKey}`;
  for (const code of [10, 34, 310]) {
    cluster.broker.on(code, () => ({ code: ResponseCode.SYSTEM_ERROR, remark: refusal }));
  }
  return cluster.nameServer.address;
}

it('R-65: the SDK tells no secret, neither in errors nor to its logger, by a proxy and without', {
  timeout: 120_000,
}, async () => {
  const engine = await startTestEngine({ accessKeys: [keys] });
  const stranger = await startStranger();
  const sha256 = createHash('sha256').update(secrets.token).digest('hex');
  const tokens = { tokens: [{ name: 'client', sha256, publish: ['*'], subscribe: ['*'], groups: ['*'] }] };
  const { port } = await startTestProxy({
    tokensFile: new SettingFolder().write('tokens.json', JSON.stringify(tokens)),
  });
  const row = new Row('R-65');
  for (const direct of [true, false]) {
    const told = new Told();
    const { logger } = told;
    const clientOf = (changes: Partial<MQConfig>): MQClient => {
      const client = new MQClient({
        endpoint: engine.nameServer,
        accessKeyId: secrets.accessKey,
        accessKeySecret: secrets.secretKey,
        grpcEndpoint: `127.0.0.1:${port}`,
        ...{ direct, logger, timeoutMs: 20_000 },
        ...(direct ? {} : { token: secrets.token }),
        ...changes,
      });
      onTestFinished(() => client.close());
      return client;
    };
    const wrong = { accessKeyId: secrets.wrongAccessKey, accessKeySecret: secrets.wrongSecretKey };
    const away = await closedAddress();
    const client = clientOf({});
    const refused = [
      clientOf(wrong),
      clientOf({ ...wrong, endpoint: stranger }),
      clientOf({ endpoint: away }),
      ...(direct ? [] : [clientOf({ token: secrets.wrongToken }), clientOf({ grpcEndpoint: away })]),
    ];
    const { body, property } = secrets;
    const producer = await client.getProducer(null, 'topic');
    const consumer = await client.getConsumer(null, 'topic', 'group');
    const properties = { properties: { property } };
    await producer.publishMessage(body, '', properties);
    const inbox = new Inbox(consumer, () => Promise.reject(new Error('the handler failed')));
    await inbox.atLeast(1);
    await told.failures([
      ...refused.map((each) => each.getProducer(null, 'topic').then((made) => made.publishMessage(body))),
      producer.publishMessage(body, '\u0001', properties),
      producer.publishMessage(body, '', { properties: { property: `${property}\u0001` } }),
      producer.publishMessage(body.repeat(500_000), '', properties),
      producer.publishDelayMessage(body, '', properties, { delayTimeLevel: 99 }),
      producer.recallMessage(body),
      consumer.ackMessage(body),
    ]);
    told.note([client, producer, consumer, ...refused]);
    await client.close();
    await told.failures([producer.publishMessage(body, '', properties), client.getProducer(null, 'topic')]);
    told.judge(row, direct ? 'direct' : 'by proxy', 9);
  }
  row.judge();
});

it('R-65: the client tells no secret, neither in errors nor in spans and metrics', { timeout: 120_000 }, async () => {
  const engine = await startTestEngine({ accessKeys: [keys] });
  const stranger = await startStranger();
  const spans = new InMemorySpanExporter();
  const metrics = new InMemoryMetricExporter(AggregationTemporality.DELTA);
  const reader = new PeriodicExportingMetricReader({ exporter: metrics, exportIntervalMillis: 3_600_000 });
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
  const meterProvider = new MeterProvider({ readers: [reader] });
  onTestFinished(() => Promise.all([tracerProvider.shutdown(), meterProvider.shutdown()]).then(() => {}));
  const openTelemetry = {
    ...otel,
    trace: { getTracer: (name: string) => tracerProvider.getTracer(name), setSpan: otel.trace.setSpan },
    metrics: { getMeter: (name: string) => meterProvider.getMeter(name) },
  };
  const told = new Told();
  const clientOf = (nameServers: string, credentials: typeof keys): RocketMQClient => {
    const client = new RocketMQClient({ nameServers, credentials, openTelemetry, logger: told.logger });
    onTestFinished(() => client.close());
    return client;
  };
  const { body, property } = secrets;
  const message = { topic: 'topic', body, properties: { property } };
  const client = clientOf(engine.nameServer, keys);
  const producer = client.producer();
  await producer.send(message);
  const consumer = client.simpleConsumer({ group: 'group', consumeFrom: 'first' });
  await consumer.subscribe('topic');
  const [received] = await consumer.receive();
  if (received !== undefined) await consumer.ack(received);
  const refused = [
    clientOf(engine.nameServer, wrongKeys),
    clientOf(stranger, wrongKeys),
    clientOf(await closedAddress(), keys),
  ];
  await told.failures([
    ...refused.map((each) => each.producer().send(message)),
    ...refused.map((each) => each.producer().sendBatch([message, message])),
    producer.send({ ...message, tag: '\u0001' }),
    producer.send({ ...message, properties: { property: `${property}\u0001` } }),
    producer.send({ ...message, body: body.repeat(500_000) }),
  ]);
  told.note([client, producer, consumer, ...refused]);
  await meterProvider.forceFlush();
  const finished = spans.getFinishedSpans();
  for (const { name, attributes, events, status } of finished) told.note({ name, attributes, events, status });
  told.note(metrics.getMetrics());
  const failedSpanCount = finished.filter(({ events }) => events.length > 0).length;
  told.judge(new Row('R-65').atLeast('client: spans of failures', failedSpanCount, 6), 'client', 9).judge();
  expect(received?.body.toString()).toBe(body);
});
