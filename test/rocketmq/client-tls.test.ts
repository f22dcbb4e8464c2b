import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TlsOptions } from '../../src/remoting/dial.ts';
import { type Certificates, makeCertificates } from '../support/certificates.ts';
import { outgoing, Reader, RealClients, soon } from '../support/real-client.ts';
import { type RocketMQCluster, startRocketMQ } from './cluster.ts';
import { skipRocketMQ } from './java.ts';

const topic = 'by-tls';

describe.skipIf(skipRocketMQ())('TLS to RocketMQ 5.5.0 that wants a certificate of its clients', () => {
  let certificates: Certificates;
  let cluster: RocketMQCluster;
  let clients: RealClients;

  beforeAll(async () => {
    certificates = await makeCertificates();
    const { authority, server } = certificates;
    const { cert, private: key } = server;
    cluster = await startRocketMQ({ tls: { ca: authority.cert, cert, key, mode: 'enforcing', clientAuth: true } });
    clients = new RealClients(cluster.nameServer);
    await cluster.createTopic(topic, { queueCount: 1 });
  });

  afterAll(async () => {
    await clients?.close();
    await cluster?.stop();
  });

  const right = (): TlsOptions => {
    const { cert, private: key } = certificates.client;
    return { ca: certificates.authority.cert, cert, key };
  };

  test.each([
    ['by address', {}],
    ['by another of its names', { servername: 'broker.example' }],
  ])('sends and receives, the server known %s', async (_, more) => {
    const client = clients.create({ tls: { ...right(), ...more } });
    const reader = await Reader.open(client, { topic, group: 'g-tls' });
    await client.producer.send(outgoing(topic, 'x'), soon());
    await reader.count(1);
    await reader.stop();
  });

  const wrong: readonly (readonly [string, () => TlsOptions | undefined, RegExp])[] = [
    ['no TLS', () => undefined, /closed the connection|ECONNRESET/],
    ['no client certificate', () => ({ ca: certificates.authority.cert }), /client certificate/],
    [
      'a client certificate of another authority',
      () => ({ ...right(), cert: certificates.foreignClient.cert, key: certificates.foreignClient.private }),
      /does not take the client certificate/,
    ],
    ['another authority', () => ({ ...right(), ca: certificates.stranger.cert }), /authority that is not trusted here/],
    ['public authorities only', () => ({ ...right(), ca: undefined }), /authority that is not trusted here/],
    ['another name', () => ({ ...right(), servername: 'other.example' }), /for other host names/],
  ];

  test.each(wrong)('says what is wrong with %s', async (_, tls, reason) => {
    const { producer } = clients.create({ tls: tls() });
    const error: unknown = await producer.send(outgoing(topic, 'x'), soon()).catch((failure: unknown) => failure);
    expect(error).toMatchObject({ name: 'RemotingError', kind: 'connect', message: expect.stringMatching(reason) });
    expect(String(error)).toContain(`no name server answers at ${cluster.nameServer}: `);
  });
});
