/** What `send` and `receive` of `peers/go` do, as far as unary calls and streams go, for machines without Go: slower than a proxy, so rates are its own. */
import {
  type Client,
  type ClientReadableStream,
  credentials,
  type GrpcObject,
  loadPackageDefinition,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { measureLoad, sayDone, sayMeasured } from './load-loop.ts';

/** Clients call by name: what is measured is the proxy, not this code. */
type ProxyClient = Client & Record<string, (...parameters: unknown[]) => unknown>;
type Reply = Readonly<Record<string, string>>;

const [mode = '', address = '', ...rest] = process.argv.slice(2);
const definition = loadSync('proto/rocketmq/rocketmq.proto', { keepCase: true, longs: String, defaults: true });
const root = loadPackageDefinition(definition)['rocketmq'] as GrpcObject;
const Service = root['RocketMQProxy'] as unknown as new (...parameters: unknown[]) => ProxyClient;

if (mode === 'send') await send(rest);
else if (mode === 'receive') await receive(rest);
else throw new Error(`${mode} needs Go: install it and run again`);
// Until its memory has been read.
for await (const _ of process.stdin);
process.exit();

/** KIND TOPICS IN_FLIGHT CONNECTIONS WARM_MS MEASURED_MS BODY_BYTES */
async function send([kind = '', topics = '', ...numbers]: readonly string[]): Promise<void> {
  if (kind !== 'message') throw new Error(`${kind} needs Go: install it and run again`);
  const [inFlight = 1, connections = 1, warmMs = 0, measuredMs = 0, bodyBytes = 0] = numbers.map(Number);
  const clients = connect(connections);
  const requests = await Promise.all(
    topics.split(',').map(async (topic) => ({
      producer_id: (await call(clientAt(clients, 0), 'CreateProducer', { topic })).producer_id,
      message_body: 'x'.repeat(bodyBytes),
      tag: 'bench',
      properties: { properties: { a: '1', b: '2', c: '3' }, message_key: 'key' },
    })),
  );
  await measureLoad(inFlight, { warmMs, measuredMs }, (turn) =>
    call(clientAt(clients, turn), 'SendMessage', requests[turn % requests.length] ?? {}),
  );
}

/** TOPIC GROUP COUNT STREAMS */
async function receive([topic = '', group = '', ...numbers]: readonly string[]): Promise<void> {
  const [count = 0, streams = 1] = numbers.map(Number);
  const clients = connect(streams);
  const request = { topic, group_id: group, consume_from: 'CONSUME_FROM_FIRST' };
  const { consumer_id } = await call(clientAt(clients, 0), 'CreateConsumer', request);
  const warmCount = Math.floor(count / 5);
  let ackedCount = 0;
  let startedMs = 0;
  await new Promise<void>((resolve) => {
    for (const client of clients) {
      const stream = client['ReceiveMessages']?.({ consumer_id }) as ClientReadableStream<Reply>;
      stream.on('error', () => {});
      stream.on('data', async ({ receipt_handle }: Reply) => {
        await call(client, 'AckMessage', { consumer_id, receipt_handle });
        ackedCount += 1;
        if (ackedCount === warmCount) {
          startedMs = performance.now();
          sayMeasured();
        } else if (ackedCount === count) resolve();
      });
    }
  });
  sayDone(count - warmCount, performance.now() - startedMs);
}

function connect(count: number): ProxyClient[] {
  return Array.from(
    { length: count },
    () => new Service(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 }),
  );
}

function clientAt(clients: readonly ProxyClient[], turn: number): ProxyClient {
  const client = clients[turn % clients.length];
  if (client === undefined) throw new Error('there is no connection');
  return client;
}

function call(client: ProxyClient, method: string, request: object): Promise<Reply> {
  return new Promise((resolve, reject) => {
    client[method]?.(request, (error: Error | null, reply: Reply) => (error === null ? resolve(reply) : reject(error)));
  });
}
