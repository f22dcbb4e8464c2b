import { createServer, isIP, type LookupFunction } from 'node:net';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { EndpointPolicy } from '../../src/proxy/access/endpoint-policy.ts';
import { triesPerSecondMax } from '../../src/proxy/access/unproven-endpoints.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { Row } from '../faults/figures.ts';
import { failureOf, ProxyClient } from '../support/grpc-client.ts';
import { MemoryLog, routesScript, startScriptedCluster } from '../support/scripted-cluster.ts';
import { startTestProxy } from '../support/started-proxy.ts';
import { closedAddress } from '../support/tcp-peers.ts';

const row = new Row('R-60');

/** Listens on every address of this machine, and counts who comes. */
let canary: { readonly port: number; visitCount: number };
let closeCanary: () => void;

beforeEach(async () => {
  const server = createServer((socket) => {
    canary.visitCount += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, resolve));
  const address = server.address();
  canary = { port: typeof address === 'object' && address !== null ? address.port : 0, visitCount: 0 };
  closeCanary = () => void server.close();
});

afterEach(() => closeCanary());

/** Every spelling of addresses inside that a resolver or a URL would take. */
const insideHosts = [
  ...['127.0.0.2', '127.2', '2130706434', '0x7f000002', '0x7f.0.0.2', '017700000002', '0177.0.0.2', '127.000.000.002'],
  ...[
    '[::1]',
    '[::ffff:127.0.0.2]',
    '[::ffff:7f00:2]',
    '[0:0:0:0:0:ffff:127.0.0.2]',
    '[::]',
    '0.0.0.0',
    '0',
    '[::127.0.0.2]',
  ],
  ...[
    'localhost',
    'LOCALHOST',
    'localhost.',
    'ip6-localhost',
    '127.0.0.2.',
    '1\u00b27.0.0.2',
    '\u24db\u24de\u24d2alhost',
  ],
  ...[
    '169.254.169.254',
    '2852039166',
    '[::ffff:169.254.169.254]',
    '[fe80::1]',
    '[fd00:ec2::254]',
    'metadata.google.internal',
  ],
];

interface More {
  readonly allowedBrokers?: string;
  readonly lookup?: LookupFunction;
  readonly log?: MemoryLog;
}

async function startClient(allowedEndpoints: string | undefined, more: More = {}): Promise<ProxyClient> {
  const { allowedBrokers, lookup, log = new MemoryLog() } = more;
  const settings = { host: allowedEndpoints === undefined ? '127.0.0.1' : '0.0.0.0', allowedEndpoints };
  const policy = EndpointPolicy.create({ ...settings, allowedBrokers, defaultEndpoint: undefined });
  const { port } = await startTestProxy({ policy, log, client: { lookup } });
  const client = new ProxyClient(`127.0.0.1:${port}`);
  onTestFinished(() => client.close());
  return client;
}

it('R-60: endpoints that are not allowed are never connected to, however they are spelled', {
  timeout: 60_000,
}, async () => {
  const client = await startClient('mq.example.com, *.mq.example.com, 10.0.0.0/8, 127.0.0.3:9876');
  const codes = new Set<string>();
  const texts = new Set<string>();
  for (const host of insideHosts) {
    // Open, and closed: nobody shall learn which.
    for (const port of [canary.port, Number((await closedAddress()).split(':')[1])]) {
      const endpoint = `${host}:${port}`;
      const { code, details } = await failureOf(client.createProducer('topic', { endpoint }));
      codes.add(code);
      texts.add(details.replaceAll(/endpoint \S+ is|"[^"]*"/g, '').replaceAll(String(port), ''));
    }
  }
  row
    .tell('spellings of addresses inside', insideHosts.length)
    .exactly('connections made to them', canary.visitCount, 0)
    .exactly('kinds of answers, for open and closed ports alike', texts.size, 2);
  expect([...codes].sort()).toEqual(['INVALID_ARGUMENT', 'PERMISSION_DENIED']);
});

it('R-60: a name server that names inner addresses as brokers leads nobody there', { timeout: 60_000 }, async () => {
  const cluster = await startScriptedCluster();
  onTestFinished(() => cluster.stop());
  const { address } = cluster.nameServer;
  const client = await startClient(address);
  const topics = Object.fromEntries(
    insideHosts.map((host, index) => [
      `t${index}`,
      [{ brokerName: `broker-${index}`, address: `${host}:${canary.port}` }],
    ]),
  );
  cluster.nameServer.on(RequestCode.GET_ROUTEINFO_BY_TOPIC, routesScript(topics));
  const codes = await Promise.all(
    Object.keys(topics).map(async (topic) => {
      const created = client.createProducer(topic, { endpoint: address });
      const sent = created.then((producer_id) => client.send('SendMessage', { producer_id, message_body: 'x' }));
      return (await failureOf(sent)).code;
    }),
  );
  row
    .tell('brokers of a hostile name server', insideHosts.length)
    .exactly('connections made to them', canary.visitCount, 0)
    .judge();
  expect(new Set(codes)).toEqual(new Set(['UNAVAILABLE']));
});

/** What names stand for, as a test changes it, and how often each was asked for. */
class ChangingNames {
  readonly askedCounts = new Map<string, number>();
  readonly #ips = new Map<string, string>();

  /** From now on a name stands for this. @returns its `host:port`. */
  called(name: string, ip: string, port: number | string): string {
    this.#ips.set(`${name}.mq.example`, ip);
    return `${name}.mq.example:${port}`;
  }

  readonly lookup: LookupFunction = (name, _, done) => {
    this.askedCounts.set(name, (this.askedCounts.get(name) ?? 0) + 1);
    const ip = this.#ips.get(name) ?? '';
    done(null, [{ address: ip, family: isIP(ip) }]);
  };
}

/** What an allowed name may not stand for, and which of these lead to the canary. */
const insideIps = [
  ...['127.0.0.1', '127.0.0.2', '0.0.0.0', '::1', '::', '::ffff:127.0.0.1', '::ffff:7f00:2'],
  ...['169.254.169.254', '::ffff:169.254.169.254', 'fe80::1', 'fd00:ec2::254', '100.100.100.200', '64:ff9b::7f00:1'],
];

it('R-60: names that are allowed lead nobody inside, however their addresses change', { timeout: 60_000 }, async () => {
  const cluster = await startScriptedCluster();
  onTestFinished(() => cluster.stop());
  const { nameServer, broker } = cluster;
  const names = new ChangingNames();
  const listed = `*.mq.example, ${nameServer.address}`;
  const log = new MemoryLog();
  const allowedBrokers = `*.mq.example, ${broker.address}`;
  const client = await startClient(listed, { allowedBrokers, lookup: names.lookup, log });
  const create = (topic: string, endpoint: string): Promise<string> => client.createProducer(topic, { endpoint });
  const codes: string[] = [];
  const endpoints = insideIps.map((ip, index) => names.called(`n${index}`, ip, canary.port));
  codes.push((await failureOf(create('topic', endpoints.join(';')))).code);

  // A good name server, which names brokers that live inside, and one that does not.
  const [, port = ''] = nameServer.address.split(':');
  const good = names.called('good', '127.0.0.1', port);
  const inside = insideIps.map((ip, index) => ({
    brokerName: `b${index}`,
    address: names.called(`b${index}`, ip, canary.port),
  }));
  const topics = Object.fromEntries(inside.map((each, index) => [`t${index}`, [each]]));
  nameServer.on(RequestCode.GET_ROUTEINFO_BY_TOPIC, routesScript({ ...topics, topic: cluster.queues }));
  // At once, since who tries an endpoint again and again is told to wait.
  const failures = await Promise.all(Object.keys(topics).map((topic) => failureOf(create(topic, good))));
  codes.push(...failures.map(({ code }) => code));
  await create('topic', good);
  row.exactly('look-ups of a name whose connection lives', names.askedCounts.get('good.mq.example') ?? 0, 1);

  // It moves inside: the connection stays where it is, and the next one is not made until it is back.
  names.called('good', '127.0.0.2', port);
  nameServer.dropConnections();
  await nameServer.until(() => nameServer.openConnections.length === 0);
  const connectionCount = nameServer.connections.length;
  codes.push((await failureOf(create('new-topic', good))).code);
  expect(nameServer.connections).toHaveLength(connectionCount);
  names.called('good', '127.0.0.1', port);
  await vi.waitFor(() => create('topic', good), { timeout: 20_000 });
  const told = log.troubles.filter((text) => text.startsWith('a name stands for an address inside'));
  row
    .tell('addresses inside that allowed names stood for', insideIps.length)
    .exactly('connections made to them, of name servers and of brokers', canary.visitCount, 0)
    .atLeast('lines of the log that say so', told.length, 2 * insideIps.length)
    .judge();
  expect(new Set(codes)).toEqual(new Set(['UNAVAILABLE']));
});

it('R-60: nobody has the proxy knock at one door after the other', { timeout: 60_000 }, async () => {
  const client = await startClient(undefined);
  const { port } = canary;
  const started = performance.now();
  const hosts = Array.from({ length: 200 }, (_, index) => `127.0.${1 + Math.floor(index / 100)}.${1 + (index % 100)}`);
  const failures = await Promise.all(
    hosts.map((host) => failureOf(client.createProducer('topic', { endpoint: `${host}:${port}` }))),
  );
  const seconds = (performance.now() - started) / 1_000;
  const triedCount = failures.filter(({ code }) => code !== 'RESOURCE_EXHAUSTED').length;
  row
    .tell('endpoints named at once', hosts.length)
    .atMost('of them tried', triedCount, Math.ceil(triesPerSecondMax * (1 + seconds)))
    .judge();
});
