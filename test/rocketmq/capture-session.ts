import type { RocketMQCluster } from './cluster.ts';
import { decodeReply, encodeRequest, WireConnection, type WireReply, type WireRequest } from './wire.ts';

/** One cluster being captured. */
export interface CaptureSession {
  readonly cluster: RocketMQCluster;
  /** Writes a frame to its file and to the table; `asked` says in words which request brought it. */
  save(name: string, asked: string, frame: Buffer, code: number): Promise<void>;
}

/** Hex in lines of 64 bytes. */
export function hexLines(bytes: Buffer): string {
  return `${(bytes.toString('hex').match(/.{1,128}/g) ?? []).join('\n')}\n`;
}

/** A connection that stays, for requests that belong to one client and for what the broker sends by itself. */
export class CaptureClient {
  readonly #connection: WireConnection;
  #opaque = 0;

  constructor(address: string) {
    this.#connection = new WireConnection(address);
  }

  async call(request: WireRequest): Promise<WireReply> {
    this.#opaque += 1;
    const opaque = this.#opaque;
    this.#connection.write(encodeRequest({ ...request, opaque }));
    const frame = await this.#connection.read((bytes) => header(bytes).opaque === opaque && isReply(bytes), 60_000);
    return decodeReply(frame);
  }

  /** Waits for a request of the broker with this code. */
  async requestFromBroker(code: number): Promise<Buffer> {
    return this.#connection.read((bytes) => header(bytes).code === code && !isReply(bytes), 60_000);
  }

  close(): void {
    this.#connection.close();
  }
}

function header(frame: Buffer): { readonly code: number; readonly opaque: number; readonly flag: number } {
  return JSON.parse(frame.toString('utf8', 8, 8 + (frame.readUInt32BE(4) & 0xffffff)));
}

function isReply(frame: Buffer): boolean {
  return (header(frame).flag & 1) === 1;
}

/** What the header of a send says beside topic and queue. */
export interface SendOptions {
  readonly properties?: Readonly<Record<string, string>>;
  readonly sysFlag?: number;
  readonly flag?: number;
  readonly batch?: boolean;
  readonly producerGroup?: string;
}

/** The property string of the wire: name 0x01 value 0x02. */
export function joinProperties(properties: Readonly<Record<string, string>> = {}): string {
  return Object.entries(properties)
    .map(([name, value]) => `${name}\x01${value}\x02`)
    .join('');
}

/** Header fields of SEND_MESSAGE_V2 and SEND_BATCH_MESSAGE. */
export function sendFields(topic: string, queueId: number, options: SendOptions = {}): Record<string, string> {
  return {
    a: options.producerGroup ?? 'PID_fixture',
    b: topic,
    c: 'TBW102',
    d: '4',
    e: String(queueId),
    f: String(options.sysFlag ?? 0),
    g: String(Date.now()),
    h: String(options.flag ?? 0),
    i: joinProperties(options.properties),
    j: '0',
    k: 'false',
    m: String(options.batch ?? false),
  };
}

/** Sends one message. @throws Error when the broker does not store it. */
export async function send(
  cluster: RocketMQCluster,
  topic: string,
  queueId: number,
  message: SendOptions & { readonly body: string | Uint8Array },
): Promise<WireReply> {
  const reply = await cluster.brokerCall(310, sendFields(topic, queueId, message), Buffer.from(message.body));
  if (reply.code !== 0) throw new Error(`send to ${topic} was refused: ${reply.code} ${reply.remark}`);
  return reply;
}

/** Header fields of PULL_MESSAGE on queue 0. Bit 4 of sysFlag: the subscription is in the request, so no heartbeat is needed. */
export function pullFields(topic: string, queueOffset: number): Record<string, string> {
  return {
    consumerGroup: 'GID_fixture',
    topic,
    queueId: '0',
    queueOffset: String(queueOffset),
    maxMsgNums: '32',
    sysFlag: '4',
    commitOffset: '0',
    suspendTimeoutMillis: '0',
    subscription: '*',
    subVersion: '0',
    expressionType: 'TAG',
  };
}
