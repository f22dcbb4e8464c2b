import { execFile, execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEmbedded } from './behaviour/embedded-target.ts';
import { startProxyHere } from './support/proxy-here.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const user = mkdtempSync(join(tmpdir(), 'package-user-'));
const installed = join(user, 'node_modules', 'rocketmq-grpc-proxy');
let tarball = '';

/** A project of a user with the package as the registry would have it: packed from what the build has made, then unpacked. */
beforeAll(() => {
  execFileSync(process.execPath, [join(root, '.ci', 'build-cjs.mjs')]);
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const pack = ['pack', '--json', '--offline', '--ignore-scripts', '--pack-destination', user];
  const [packed] = JSON.parse(execFileSync(npm, pack, { cwd: root, encoding: 'utf8', stdio: 'pipe' }));
  tarball = join(user, packed.filename);
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1']);
  // What npm would install beside it.
  for (const name of ['lru-cache', '@bufbuild', '@connectrpc', '@grpc', '@types', '@opentelemetry', 'undici-types']) {
    symlinkSync(join(root, 'node_modules', name), join(user, 'node_modules', name), 'junction');
  }
}, 180_000);

afterAll(() => rmSync(user, { recursive: true, force: true }));

describe('the package', () => {
  test('has what it says, and says it as package.json should (publint)', { timeout: 60_000 }, async () => {
    const { messages } = await publint({ pkgDir: installed, pack: false, strict: true });
    expect(messages).toEqual([]);
  });

  test('has types for every way to resolve the SDK, and for every way that can load ES modules to resolve the rest (attw)', {
    timeout: 60_000,
  }, async () => {
    const checked = await checkPackage(createPackageFromTarballData(new Uint8Array(readFileSync(tarball))));
    if (checked.types === false) throw new Error('the package has no types');
    expect(Object.keys(checked.entrypoints)).toEqual(['.', './client', './testing', './web', './package.json']);
    // What the profile esm-only leaves out: resolution that knows no `exports`, and `require`, which Node has for ES modules from 20.19 on.
    const isEsmOnly = (problem: (typeof checked.problems)[number]): boolean =>
      'resolutionKind' in problem &&
      ['node10', 'node16-cjs'].includes(problem.resolutionKind) &&
      problem.entrypoint !== '.';
    expect(checked.problems.filter((problem) => !isEsmOnly(problem))).toEqual([]);
  });

  test('loads by import and by require', { timeout: 60_000 }, () => {
    const names = 'Object.keys(api).filter((name) => /^(RocketMQClient|RocketMQError)$/.test(name)).length';
    const byImport = `const api = await import('rocketmq-grpc-proxy/client'); console.log(${names})`;
    const byRequire = `const api = require('rocketmq-grpc-proxy/client'); console.log(${names})`;
    const run = (type: string, code: string) =>
      execFileSync(process.execPath, ['--no-warnings', `--input-type=${type}`, '-e', code], {
        cwd: user,
        encoding: 'utf8',
      });
    expect([run('module', byImport), run('commonjs', byRequire)]).toEqual(['2\n', '2\n']);
    const sdk = `console.log(Object.keys(sdk).filter((name) => /^[A-Z]/.test(name)).sort().join(' '))`;
    const sdkByImport = run('module', `const sdk = await import('rocketmq-grpc-proxy'); ${sdk}`);
    const sdkByRequire = run('commonjs', `const sdk = require('rocketmq-grpc-proxy'); ${sdk}`);
    expect([sdkByImport, sdkByRequire]).toEqual(
      Array(2).fill('Consumer MQClient MQError MessageProperties Producer\n'),
    );
  });
});

describe('a program written for the published SDK', () => {
  test.concurrent.each([
    ['require', 'published.cjs', `const { MQClient, MessageProperties } = require('rocketmq-grpc-proxy');`],
    ['import', 'published.mjs', `import { MQClient, MessageProperties } from 'rocketmq-grpc-proxy';`],
  ])(
    'runs by %s when it changes the name of the package, and ends by itself',
    { timeout: 60_000 },
    async (way, file, load) => {
      const engine = await startEmbedded({});
      const proxy = await startProxyHere({});
      try {
        const body = readFileSync(join(root, 'test', 'support', 'published-program.cjs'), 'utf8');
        writeFileSync(join(user, file), `${load}\n${body}`);
        const env = {
          ROCKETMQ_ENDPOINT: `http://${engine.nameServer}`,
          GRPC_ENDPOINT: proxy.address,
          TOPIC: `by-${way}`,
        };
        const { stdout, stderr } = await promisify(execFile)(process.execPath, [file], {
          cwd: user,
          env,
          timeout: 50_000,
        });
        expect(stderr).toBe('');
        const order = { orderId: 'order-1', amount: 99.99 };
        const year = new Date().toISOString().slice(0, 4);
        expect(JSON.parse(stdout)).toEqual([
          ['order', order, 'order-1', year, 0],
          ['update', { ...order, status: 'paid' }, 'order-1', year, 0],
          ['timeout', { check: 1 }, 'order-1', year, 0],
          ['legacy', { check: 2 }, 'order-1', year, 0],
          ['transaction', { pay: 1 }, 'trans', year, 0],
        ]);
      } finally {
        await proxy.stop();
        await engine.stop();
      }
    },
  );
});

/** With most of what there is; lines behind `@ts-expect-error` must not compile. */
const program = `
import {
  type AllocationStrategy, averageAllocation, consistentHashAllocation, type Filter, type Handler, type Message, RocketMQClient, RocketMQError, type SendResult,
} from 'rocketmq-grpc-proxy/client';
import { startTestBroker, VirtualClock } from 'rocketmq-grpc-proxy/testing';
import { createWebClient, MQError as WebError, type WebMessage } from 'rocketmq-grpc-proxy/web';

const log: Pick<Console, 'debug' | 'info' | 'warn' | 'error'> = console;
await using broker = await startTestBroker({ clock: new VirtualClock() });
await using client = new RocketMQClient({
  nameServers: [broker.nameServer],
  credentials: { accessKey: 'ak', secretKey: 'sk', securityToken: 'token' },
  tls: { ca: 'pem' },
  logger: log,
});
await using producer = client.producer();
const message: Message = { topic: 'orders', body: new Uint8Array(1), properties: { region: 'north' }, deliverAt: new Date() };
const sent: SendResult = await producer.send(message, { timeoutMs: 1_000, signal: AbortSignal.timeout(500) });
const offset: bigint = sent.queueOffset;
const handler: Handler = async ({ body, bornAt }, { signal }) => {
  const [bytes, time, aborted]: [Buffer, Date, boolean] = [body, bornAt, signal.aborted];
  if (aborted) return { retryAfterMs: bytes.length };
  return time.getTime() > 0 ? 'ack' : undefined;
};
const filter: Filter = { sql: 'price > 10' };
await client.pushConsumer({ group: 'g', handler }).subscribe('orders', filter);
await using simple = client.simpleConsumer({ group: 'g' });
for await (const { text } of simple) console.log(text);
const transactions = client.transactionProducer({ group: 'g', check: ({ keys }) => (keys.length > 0 ? 'commit' : 'unknown') });
const result: number = await transactions.sendInTransaction(message, async ({ transactionId }) => transactionId.length);
const files = { directory: '/var/lib/offsets', clientId: 'member-1' };
const strategy: AllocationStrategy = consistentHashAllocation(20);
client.pushConsumer({ group: 'g', handler, broadcast: files, allocationStrategy: strategy, reconsumeTimesMax: 3 }).pause();
await using pulling = client.litePullConsumer({ group: 'g', allocationStrategy: averageAllocation });
for (const queue of await pulling.queuesOf('orders')) await pulling.seekToBegin(queue);
const names: readonly string[] = await client.admin().createTopic('orders', { messageType: 'FIFO' }, { clusterName: 'c' });
const found = await client.queries().byMessageId('orders', sent.messageId, { timeoutMs: 1_000 });
console.log(names, found?.storedAt.getTime(), found?.text());
try {
  await client.close();
} catch (error) {
  if (error instanceof RocketMQError && error.code === 'TIMEOUT' && error.retryable) console.log(error.brokerCode, error.outcomes?.map(({ state }) => state), error.servers?.failures.get('a')?.code);
  // @ts-expect-error: no such code
  if (error instanceof RocketMQError && error.code === 'TIMED_OUT') console.log(error, offset, result);
}
await using page = createWebClient({ baseUrl: 'https://mq.example', protocol: 'grpc-web', token: async () => 't', timeoutMs: 1_000 });
const stored = await page.producer('orders').publishAll([{ body: new Uint8Array(1), tag: 't', startDeliverTime: new Date() }]);
const fromPage = page.consumer('orders', 'g', { consumeFrom: 'first', onResume: ({ reason }, delayMs) => log.info(reason, delayMs) });
for await (const received of fromPage.messages({ signal: AbortSignal.timeout(500) })) {
  const { body, binaryBody, reconsumeTimes }: WebMessage = received;
  await fromPage.ack(received).catch((error) => error instanceof WebError && error.code === 'NOT_FOUND');
  console.log(body.length, binaryBody.length, reconsumeTimes, stored[0]?.messageId);
}
// @ts-expect-error: no such protocol
createWebClient({ baseUrl: '', protocol: 'grpc' });
// @ts-expect-error: a topic is missing
await producer.send({ body: '' });
// @ts-expect-error: no such state
client.transactionProducer({ group: 'g', check: () => 'done' });
// @ts-expect-error: a handler is missing
client.pushConsumer({ group: 'g' });
`;

/** They need packages that users do not have: a gRPC client without types, a bundler. */
const withOtherPackages = ['send-and-receive.mjs', 'grpc-transaction.mjs', 'browser-page.mjs'];
const examples = readdirSync(join(root, 'examples')).filter(
  (name) => name.endsWith('.mjs') && !withOtherPackages.includes(name),
);

/** The programs of the page for users of other clients, each with its name. */
const migrated = [...readFileSync(join(root, 'docs', 'migration.md'), 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)].map(
  ([, code = ''], index): [string, string] => [`migrated-${index}.mts`, code],
);

describe('programs of users, and the examples, compile with the types of the package, as strictly as can be', () => {
  test.each([
    ['nodenext', { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext }],
    ['bundler', { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler }],
  ])('moduleResolution %s', { timeout: 120_000 }, (_, resolution) => {
    const programs: [string, string][] = [['user.mts', program], ...migrated];
    for (const [name, code] of programs) writeFileSync(join(user, name), code);
    for (const name of examples) copyFileSync(join(root, 'examples', name), join(user, name));
    const compiled = ts.createProgram(
      [...programs.map(([name]) => name), ...examples].map((name) => join(user, name)),
      {
        ...resolution,
        target: ts.ScriptTarget.ES2023,
        lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        allowJs: true,
        checkJs: true,
        types: ['node'],
        typeRoots: [join(user, 'node_modules', '@types')],
        noEmit: true,
        // The package's own declarations are checked too.
        skipLibCheck: false,
      },
    );
    // Node's own types and the language's are for others to check, which takes ten times as long.
    const ours = compiled.getSourceFiles().filter(({ fileName }) => !/\/@types\/|\/typescript\/lib\//.test(fileName));
    const diagnostics = [...compiled.getOptionsDiagnostics(), ...compiled.getGlobalDiagnostics()];
    for (const file of ours) {
      diagnostics.push(...compiled.getSyntacticDiagnostics(file), ...compiled.getSemanticDiagnostics(file));
    }
    const texts = diagnostics.map(
      ({ file, messageText }) => `${file?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
    );
    expect(ours.map(({ fileName }) => fileName)).toContainEqual(
      expect.stringMatching(/dist\/client\/api\/api\.d\.ts$/),
    );
    expect(texts).toEqual([]);
    expect(migrated).toHaveLength(3);
  });
});
