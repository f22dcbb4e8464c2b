import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import { Code, ConnectError } from '@connectrpc/connect';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { RunningBroker } from '../../src/broker/broker.ts';
import { createLog, type LogLevel } from '../../src/log.ts';
import type { Setting } from '../../src/option-kinds.ts';
import { startStatusServer } from '../../src/proxy/port/status-server.ts';
import { Sealer } from '../../src/proxy/session/seal.ts';
import { settings } from '../../src/settings.ts';
import { Row } from '../faults/figures.ts';
import { makeCertificates } from '../support/certificates.ts';
import { startTestEngine } from '../support/engine-client.ts';
import { SettingFolder } from '../support/setting-files.ts';
import { clientOf, startTestCluster, startTestProxy } from '../support/started-proxy.ts';
import { closedAddress } from '../support/tcp-peers.ts';

/** What must not be told, each in a form that nothing else has. */
const secrets = {
  accessKey: 'canary-access-key-of-the-proxy',
  secretKey: 'canary-secret-key-of-the-proxy',
  otherAccessKey: 'canary-access-key-of-a-client',
  otherSecretKey: 'canary-secret-key-of-a-client',
  token: 'canary-token-of-a-client',
  otherToken: 'canary-token-of-nobody',
  body: 'canary-body-of-a-message',
  property: 'canary-property-of-a-message',
  sealKey: 'canary-seal-key-of-the-proxies!!',
};
/** As clients sign what brokers get: HMAC-SHA1 in base64. */
const signature = /(?<![\w+/])[A-Za-z0-9+/]{27}=(?!=)/;
const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** A proxy before an engine that wants signatures, and all that it tells. */
async function startTalkative(level: LogLevel, engine: RunningBroker) {
  const told: string[] = [];
  const { accessKey, secretKey, token, sealKey } = secrets;
  const sha256 = createHash('sha256').update(token).digest('hex');
  const tokens = {
    tokens: [{ name: 'client', sha256, publish: ['*'], subscribe: ['*'], groups: ['*'] }],
  };
  const { proxy, port } = await startTestProxy({
    log: createLog(level, { write: (line) => told.push(line) }),
    sealer: new Sealer([Buffer.from(sealKey)]),
    tokensFile: new SettingFolder().write('tokens.json', JSON.stringify(tokens)),
    defaults: { endpoint: engine.nameServer, accessKeyId: accessKey, accessKeySecret: secretKey, instanceId: '' },
  });
  const { metrics, ready } = proxy;
  const statusServer = await startStatusServer({ host: '127.0.0.1', port: 0, metrics, ready });
  onTestFinished(() => statusServer.close());
  const look = async (): Promise<void> => {
    for (const path of ['metrics', 'metrics?format=prometheus', 'health', 'livez', 'readyz']) {
      told.push(await (await fetch(`http://127.0.0.1:${statusServer.port}/${path}`)).text());
    }
  };
  return { told, port, look };
}

/** Calls that succeed, and calls that fail in every way. @returns what they were told, without what they sent themselves. */
async function provoke(
  port: number,
  engine: RunningBroker,
): Promise<{ readonly texts: string[]; readonly codes: string[] }> {
  const client = clientOf(port);
  const { otherAccessKey, otherSecretKey, token, otherToken, body, property } = secrets;
  const by = (bearer: string) => ({ headers: { authorization: `Bearer ${bearer}` }, timeoutMs: 10_000 });
  const mine = by(token);
  const { producerId } = await client.createProducer({ topic: 'topic' }, mine);
  const { consumerId } = await client.createConsumer({ topic: 'topic', groupId: 'group' }, mine);
  const message = { messageBody: body, properties: { properties: { property }, messageKey: property } };
  await client.sendMessage({ producerId, ...message }, mine);
  const stream = client.receiveMessages({ consumerId }, mine)[Symbol.asyncIterator]();
  const receiptHandle: string = (await stream.next()).value.receiptHandle;
  await client.ackMessage({ consumerId, receiptHandle }, mine);
  const foreign = { topic: 'topic', accessKeyId: otherAccessKey, accessKeySecret: otherSecretKey };
  const bad = { producerId, ...message, tag: '\u0001' };
  const failing = [
    client.createProducer({ topic: 'topic' }, by(otherToken)),
    client.createProducer(foreign, mine),
    client.createConsumer({ ...foreign, groupId: 'group' }, mine),
    client.createProducer({ ...foreign, endpoint: await closedAddress() }, mine),
    client.createProducer({ topic: '', accessKeyId: 'x'.repeat(2_000), accessKeySecret: otherSecretKey }, mine),
    client.sendMessage(bad, mine),
    client.sendDelayMessage({ ...bad, tag: '', delayTimeLevel: 19n }, mine),
    client.sendMessage({ ...bad, producerId: `${producerId}A` }, mine),
    client.sendMessage({ ...bad, tag: '', messageBody: body.repeat(200_000) }, mine),
    client.ackMessage({ consumerId, receiptHandle: `${receiptHandle}A` }, mine),
  ].map(textOf);
  const texts = await Promise.all(failing);
  await engine.close();
  const away = [
    client.sendMessage({ producerId, ...message }, mine),
    client.sendTransactionMessage({ producerId, ...message }, mine),
    client.sendMessages({ producerId, messages: [message] }, mine).then(({ outcomes }) => {
      throw new ConnectError(outcomes[0]?.outcome?.message ?? '', outcomes[0]?.outcome?.code);
    }),
    client.createProducer({ topic: 'other' }, mine),
  ].map(textOf);
  const all = [...texts, ...(await Promise.all(away))];
  return { texts: all.map(({ text }) => text), codes: all.map(({ code }) => code) };
}

async function textOf(call: Promise<unknown>): Promise<{ readonly code: string; readonly text: string }> {
  try {
    return { code: 'OK', text: JSON.stringify(await call, (_, value) => String(value)) };
  } catch (error) {
    const failure = ConnectError.from(error);
    return { code: Code[failure.code] ?? '', text: `${failure.rawMessage} ${JSON.stringify([...failure.metadata])}` };
  }
}

it('R-65: no secret is told, neither in the log at any level, nor in errors, nor in what operators see', {
  timeout: 120_000,
}, async () => {
  const { accessKey, secretKey } = secrets;
  const row = new Row('R-65');
  for (const level of levels) {
    const engine = await startTestEngine({ accessKeys: [{ accessKey, secretKey }] });
    const { told, port, look } = await startTalkative(level, engine);
    const { texts, codes } = await provoke(port, engine);
    await look();
    // Name servers ask nobody for a signature.
    expect(codes.filter((code) => code === 'OK').length).toBeLessThanOrEqual(1);
    expect(codes).toEqual(expect.arrayContaining(['Unauthenticated', 'InvalidArgument', 'NotFound', 'Unavailable']));
    const all = [...told, ...texts].join('\n');
    const hits = Object.entries(secrets).flatMap(([name, secret]) => (all.includes(secret) ? [name] : []));
    row
      .tell(`${level}: characters of log, errors, metrics and health`, all.length)
      .exactly(`${level}: secrets in them${hits.map((name) => ` (${name})`).join('')}`, hits.length, 0)
      .exactly(`${level}: signatures in them`, signature.test(all) ? 1 : 0, 0);
  }
  row.judge();
});

it('R-65: no setting that holds a secret is an option of the command line, which every user of a machine can read', () => {
  const all: readonly Setting<unknown>[] = Object.values(settings);
  const secret = all.filter(
    ({ env, secret }) => secret === true || /(?:KEYS?|KEY_ID|SECRET|TOKEN|PASSWORD)$/.test(env),
  );
  new Row('R-65')
    .atLeast('settings that hold secrets', secret.length, 4)
    .exactly('of them options', secret.filter(({ flag }) => flag !== undefined).length, 0)
    .judge();
});

it('R-65: private keys are told to nobody, whatever is wrong with their files', { timeout: 60_000 }, async () => {
  const made = await makeCertificates();
  const folder = new SettingFolder();
  const told: string[] = [];
  const log = createLog('debug', { write: (line) => told.push(line) });
  const { private: key, cert } = made.server;
  const [, ...lines] = key.split('\n').filter((line) => line !== '');
  const cut = lines.slice(0, -2).join('\n');
  const tls = {
    tlsCertFile: folder.write('cert', cert),
    tlsKeyFile: folder.write('key', key),
    tlsClientCaFile: undefined,
  };
  // At the start: a key where a certificate belongs, a cut one, and one that is not that of the certificate.
  const bad = [
    { ...tls, tlsCertFile: tls.tlsKeyFile },
    { ...tls, tlsKeyFile: folder.write('cut', cut) },
    { ...tls, tlsKeyFile: folder.write('other', made.client.private) },
  ];
  const failures = await Promise.allSettled(bad.map((each) => startTestProxy({ log, tls: each })));
  // While it runs, and towards brokers.
  const { proxy, port } = await startTestProxy({ log, tls });
  for (const [index, content] of [cut, made.client.private, `${key}\n${cut}`].entries()) {
    folder.write('key', content);
    proxy.checkFiles();
    await vi.waitFor(() => expect(told.filter((line) => line.includes('"settings"'))).toHaveLength(index + 1), 20_000);
  }
  const { cluster } = await startTestCluster();
  const brokers = await startTestProxy({ log, client: { tls: { cert, key: cut } } });
  const called = clientOf(brokers.port).createProducer({ topic: 'topic', endpoint: cluster.nameServer.address });
  const refused = clientOf(port).healthCheck({});
  const texts = (await Promise.all([called, refused].map(textOf))).map(({ text }) => text);
  const starts = failures.map((result) =>
    result.status === 'rejected' ? inspect(result.reason, { depth: null }) : '',
  );
  const all = [...told, ...texts, ...starts].join('\n');
  const parts = [key, made.client.private].flatMap((pem) => pem.match(/^[\w+/=]{20,}$/gm) ?? []);
  new Row('R-65')
    .exactly(
      'starts with bad keys refused',
      starts.filter((text) => text.includes('SettingFileError')).length,
      bad.length,
    )
    .tell('characters of log and errors', all.length)
    .exactly('lines of private keys in them', parts.filter((part) => all.includes(part)).length, 0)
    .judge();
  expect(parts.length).toBeGreaterThan(2);
  expect(texts).not.toContain('');
});
