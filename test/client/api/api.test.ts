import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, onTestFinished, test } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** A program of a user, with most of what there is; lines behind `@ts-expect-error` must not compile. */
const program = `
import {
  type Filter, type Handler, type Message, RocketMQClient, RocketMQError, type SendResult,
} from 'rocketmq-grpc-proxy/client';

const log: Pick<Console, 'debug' | 'info' | 'warn' | 'error'> = console;
const client = new RocketMQClient({
  nameServers: ['a:9876'],
  credentials: { accessKey: 'ak', secretKey: 'sk', securityToken: 'token' },
  tls: { ca: 'pem' },
  logger: log,
});
const message: Message = { topic: 'orders', body: new Uint8Array(1), properties: { region: 'north' }, deliverAt: new Date() };
const sent: SendResult = await client.producer().send(message, { timeoutMs: 1_000, signal: AbortSignal.timeout(500) });
const offset: bigint = sent.queueOffset;
const handler: Handler = async ({ body, bornAt }, { signal }) => {
  const [bytes, time, aborted]: [Buffer, Date, boolean] = [body, bornAt, signal.aborted];
  if (aborted) return { retryAfterMs: bytes.length };
  return time.getTime() > 0 ? 'ack' : undefined;
};
const filter: Filter = { sql: 'price > 10' };
await client.pushConsumer({ group: 'g', handler }).subscribe('orders', filter);
const simple = client.simpleConsumer({ group: 'g' });
for await (const { text } of simple) console.log(text);
const transactions = client.transactionProducer({ group: 'g', check: ({ keys }) => (keys.length > 0 ? 'commit' : 'unknown') });
const result: number = await transactions.sendInTransaction(message, async ({ transactionId }) => transactionId.length);
try {
  await client.close();
} catch (error) {
  if (error instanceof RocketMQError && error.code === 'TIMEOUT' && error.retryable) console.log(error.brokerCode);
  // @ts-expect-error: no such code
  if (error instanceof RocketMQError && error.code === 'TIMED_OUT') console.log(error, offset, result);
}
// @ts-expect-error: a topic is missing
await client.producer().send({ body: '' });
// @ts-expect-error: no such state
client.transactionProducer({ group: 'g', check: () => 'done' });
// @ts-expect-error: a handler is missing
client.pushConsumer({ group: 'g' });
`;

/** With the types that the build has made, as the examples run with its code. */
test('a program of a user compiles with the types of the package, as strictly as can be', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'types-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules', 'rocketmq-grpc-proxy'), 'junction');
  const path = join(folder, 'user.mts');
  writeFileSync(path, program);
  const user = ts.createProgram([path], {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
    noEmit: true,
    // The package's own declarations are checked too.
    skipLibCheck: false,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
  });
  const texts = ts
    .getPreEmitDiagnostics(user)
    .filter(({ file }) => file === undefined || !file.fileName.includes('/@types/'))
    .map(({ file, messageText }) => `${file?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`);
  expect(texts).toEqual([]);
});
