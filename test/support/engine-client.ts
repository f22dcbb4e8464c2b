import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type RunningBroker, startBroker } from '../../src/broker/broker.ts';
import type { BrokerOptions } from '../../src/broker/options.ts';
import { type Channel, type ChannelOptions, channelDefaults } from '../../src/remoting/channel.ts';
import type { Command, CommandContent } from '../../src/remoting/command.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { dial } from '../../src/remoting/dial.ts';
import type { FieldsOf, FieldTable, RequestDefinition } from '../../src/remoting/fields.ts';
import { encodeProperties } from '../../src/remoting/message-properties.ts';
import { PullFlag, pullMessage } from '../../src/remoting/requests/pull-message.ts';
import {
  type SendMessageFields,
  type SendMessageReply,
  sendMessage,
} from '../../src/remoting/requests/send-message.ts';
import { decodeStoredMessages, type StoredMessage } from '../../src/remoting/stored-message.ts';

/** An engine on free ports, in memory unless told otherwise; ends with the test. */
export async function startTestEngine(options: Partial<BrokerOptions> = {}): Promise<RunningBroker> {
  const broker = await startBroker({ nameServerPort: 0, ...options });
  onTestFinished(() => broker.close());
  return broker;
}

/** An empty folder, gone when the test ends, after the engines that were started later. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'engine-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A client's connection to an engine; ends with the test. @param address Of its broker or its name server. */
export async function connectEngine(address: string, options: Partial<ChannelOptions> = {}): Promise<EngineClient> {
  const channel = await dial(
    address,
    { ...channelDefaults, ...options, connectTimeoutMs: 3_000 },
    Deadline.after(5_000),
  );
  onTestFinished(() => channel.close());
  return new EngineClient(channel);
}

/** What a pull is answered with. */
export interface Pulled {
  readonly code: number;
  readonly nextBeginOffset: number;
  readonly minOffset: number;
  readonly maxOffset: number;
  readonly messages: readonly StoredMessage[];
  readonly bodies: readonly string[];
}

export type PullFields = FieldsOf<typeof pullRequest>;
const pullRequest = {
  group: { kind: 'string', optional: true },
  queueId: { kind: 'int32', optional: true },
  offset: { kind: 'int32', optional: true },
  countMax: { kind: 'int32', optional: true },
  bytesMax: { kind: 'int32', optional: true },
  sysFlag: { kind: 'int32', optional: true },
  suspendMs: { kind: 'int32', optional: true },
  commitOffset: { kind: 'int32', optional: true },
  subscription: { kind: 'string', optional: true },
  subscriptionVersion: { kind: 'int64', optional: true },
  expressionType: { kind: 'string', optional: true },
} as const satisfies FieldTable;

/** Says the everyday things of the protocol in few words. */
export class EngineClient {
  readonly channel: Channel;

  constructor(channel: Channel) {
    this.channel = channel;
  }

  /** The reply, whatever its code. */
  invoke(content: CommandContent, timeoutMs = 10_000): Promise<Command> {
    return this.channel.invoke(content, Deadline.after(timeoutMs));
  }

  /** The fields of the reply. @throws ResponseError when its code is no success. */
  async ask<Q extends FieldTable, R extends FieldTable>(
    definition: RequestDefinition<Q, R>,
    values: FieldsOf<Q>,
    body?: Uint8Array,
  ): Promise<FieldsOf<R>> {
    return definition.decodeReply(await this.invoke(definition.encode(values, body)), this.channel.address);
  }

  /** Sends one message by SEND_MESSAGE_V2. @throws ResponseError */
  send(topic: string, body: string | Buffer, more: SendMore = {}): Promise<SendMessageReply> {
    return this.ask(sendMessage, sendFields(topic, more), Buffer.from(body));
  }

  /** Pulls with the subscription in the request, all messages of queue 0 from offset 0, unless told otherwise. */
  async pull(topic: string, fields: PullFields = {}): Promise<Pulled> {
    const reply = await this.invoke(pullContent(topic, fields), 40_000);
    const { nextBeginOffset, minOffset, maxOffset } = pullMessage.decodeReply(reply, this.channel.address);
    const messages = decodeStoredMessages(reply.body);
    return {
      code: reply.code,
      nextBeginOffset: Number(nextBeginOffset),
      minOffset: Number(minOffset),
      maxOffset: Number(maxOffset),
      messages,
      bodies: messages.map(({ body }) => body.toString()),
    };
  }
}

export interface SendMore extends Partial<Omit<SendMessageFields, 'properties'>> {
  readonly properties?: Readonly<Record<string, string>>;
}

/** The fields of a send to queue 0, unless told otherwise. */
export function sendFields(topic: string, { properties = {}, ...more }: SendMore = {}): SendMessageFields {
  return {
    producerGroup: 'producers',
    topic,
    queueId: 0,
    sysFlag: 0,
    bornTimestampMs: 1_700_000_000_000,
    flag: 0,
    properties: encodeProperties(Object.entries(properties)),
    ...more,
  };
}

/** The request of a pull as `EngineClient.pull` makes it. */
export function pullContent(topic: string, fields: PullFields = {}): CommandContent {
  const { group = 'group', suspendMs, commitOffset, countMax = 32, bytesMax } = fields;
  return pullMessage.encode({
    consumerGroup: group,
    topic,
    queueId: fields.queueId ?? 0,
    queueOffset: BigInt(fields.offset ?? 0),
    messageCountMax: countMax,
    sysFlag:
      fields.sysFlag ??
      PullFlag.SUBSCRIPTION |
        (suspendMs === undefined ? 0 : PullFlag.SUSPEND) |
        (commitOffset === undefined ? 0 : PullFlag.COMMIT_OFFSET),
    commitOffset: BigInt(commitOffset ?? 0),
    suspendDurationMs: suspendMs ?? 0,
    subscription: fields.subscription ?? '*',
    subscriptionVersion: fields.subscriptionVersion,
    expressionType: fields.expressionType,
    messageBytesMax: bytesMax,
  });
}
