/**
 * This package's SDK as a client that loads a proxy: `send ADDRESS TOPIC IN_FLIGHT WARM_MS MEASURED_MS BODY_BYTES`. What is in flight is published
 * without waiting for one another, as a program does that has many things to tell.
 */
import { MessageProperties, MQClient } from '../../src/sdk/sdk.ts';
import { measureLoad } from './load-loop.ts';

const [, address = '', topic = '', ...rest] = process.argv.slice(2);
const [inFlight = 1, warmMs = 0, measuredMs = 0, bodyBytes = 0] = rest.map(Number);
const client = new MQClient({ grpcEndpoint: address });
const producer = await client.getProducer('', topic);
const body = 'x'.repeat(bodyBytes);
const properties = new MessageProperties().messageKey('key');
for (const name of ['a', 'b', 'c']) properties.putProperty(name, '1');
await measureLoad(inFlight, { warmMs, measuredMs }, () => producer.publishMessage(body, 'bench', properties));
// Until its memory has been read.
for await (const _ of process.stdin);
await client.close();
