import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  environmentReads,
  forbiddenExports,
  forbiddenImports,
  importCycles,
  type Source,
  tooLong,
  unmirrored,
} from './support/house-rules.ts';

const sdkSuite = 'the SDK by proxy and straight: test/behaviour/sdk.test.ts';
const sdkProxies = 'the SDK and proxies that come and go: test/sdk/proxy/proxy-gateway.test.ts';

const http2Connections = 'what a peer sees: test/http2/connection.test.ts';

/** Files with behaviour that have no test of their own name, and why. */
const testedElsewhere: ReadonlyMap<string, string> = new Map([
  ['client/api/client-parts.ts', 'what producers and consumers have in common: tested with each'],
  ['client/api/topic-handler.ts', 'all that a push consumer does: tested with it'],
  ['client/api/topic-reader.ts', 'how a simple consumer reads: tested with it'],
  ['client/errors.ts', 'classes that hold facts: whoever throws them is tested for it'],
  ['proxy/rpc/calls.ts', 'what every way of calling has in common: test/proxy/rpc/connect.test.ts'],
  ['http2/held-requests.ts', 'counts for the memory of a server: test/http2/request-memory.test.ts'],
  ['proxy/port/node-http2.ts', 'tested with the listener, and test/proxy/port/http2-guard.test.ts'],
  ['proxy/port/node-requests.ts', 'what comes by it is judged in test/proxy/rpc/connect.test.ts and cors.test.ts'],
  ['proxy/rpc/served-methods.ts', 'a table: every method is called in test/flow/all-rpcs.test.ts'],
  ['proxy/instances/worker.ts', 'a process of its own: tested with workers.ts, which starts it'],
  ['sdk/message-properties.ts', 'tested with the messages that they are part of: test/sdk/message.test.ts'],
  ['sdk/each-turn.ts', 'tested with the queues that use it: test/sdk/send-queue.test.ts'],
  ['sdk/mq-client.ts', sdkSuite],
  ['sdk/transaction.ts', sdkSuite],
  ['sdk/producer.ts', sdkSuite],
  ['sdk/consumer.ts', sdkSuite],
  ['sdk/receiving.ts', sdkSuite],
  ['sdk/direct/direct-gateway.ts', sdkSuite],
  ['sdk/direct/direct-producer.ts', sdkSuite],
  ['sdk/direct/direct-consumer.ts', sdkSuite],
  ['sdk/direct/direct-calls.ts', sdkSuite],
  ['sdk/direct/direct-listings.ts', sdkSuite],
  ['sdk/direct/direct-transactions.ts', sdkSuite],
  ['sdk/proxy/proxy-listings.ts', sdkSuite],
  ['sdk/proxy/proxy-transactions.ts', sdkSuite],
  ['sdk/proxy/send-fields.ts', sdkSuite],
  ['sdk/proxy/home.ts', sdkProxies],
  ['sdk/proxy/proxy-calls.ts', sdkProxies],
  ['sdk/proxy/proxy-channel.ts', sdkProxies],
  ['sdk/proxy/proxy-channels.ts', sdkProxies],
  ['sdk/proxy/publish-stream.ts', 'beside the streams of all proxies: test/sdk/proxy/publish-streams.test.ts'],
  ['sdk/proxy/proxy-producer.ts', sdkProxies],
  ['sdk/proxy/proxy-consumer.ts', sdkProxies],
  ['sdk/proxy/ack-queue.ts', sdkProxies],
  ['grpc/answer.ts', 'what is written is judged as it arrives: test/grpc/single-request-call.test.ts'],
  ['grpc/call-parts.ts', 'tested with the calls that it is part of: test/grpc/single-request-call.test.ts'],
  ['embedded-error.ts', 'a class that holds nothing: test/embedded.test.ts'],
  ['embedded-engine.ts', 'how it is started is tested with whether it is: test/embedded.test.ts'],
  ['grpc/message-writer.ts', 'what is written is judged as it arrives: test/grpc/reply-pump.test.ts'],
  ['grpc/request-queue.ts', 'what a handler of such a call reads from: test/grpc/bidi-call.test.ts'],
  ['http2/hpack/hpack-error.ts', 'a class that holds nothing: whoever throws it is tested for it'],
  ['http2/buffer-pool.ts', http2Connections],
  ['http2/control-frames.ts', http2Connections],
  ['http2/errors.ts', http2Connections],
  ['http2/frame.ts', http2Connections],
  ['http2/header-blocks.ts', http2Connections],
  ['http2/open-stream.ts', http2Connections],
  ['http2/output.ts', http2Connections],
  ['http2/receiver.ts', http2Connections],
  ['http2/sender.ts', http2Connections],
  ['http2/settings.ts', http2Connections],
  ['http2/streams.ts', http2Connections],
  ['remoting/errors.ts', 'classes that hold facts: whoever throws them is tested for it'],
  ['wire/proto-error.ts', 'a class that holds facts: whoever throws it is tested for it'],
]);

function filesBelow(folder: string, ending: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return names.map((name) => name.replaceAll('\\', '/')).filter((name) => name.endsWith(ending));
}

const sources: readonly Source[] = filesBelow('src', '.ts').map((path) => ({
  path,
  text: readFileSync(join('src', path), 'utf8'),
}));

// They read everything, which takes a busy machine long.
describe('the sources', { timeout: 60_000 }, () => {
  it('import only what their room may', () => {
    expect(forbiddenImports(sources)).toEqual([]);
  });

  it('import in no circles', () => {
    expect(importCycles(sources)).toEqual([]);
  });

  it('are short enough to be read', () => {
    expect(tooLong(sources)).toEqual([]);
  });

  it('export by name', () => {
    expect(forbiddenExports(sources)).toEqual([]);
  });

  it('leave the environment to the options', () => {
    expect(environmentReads(sources)).toEqual([]);
  });

  it('have tests of their name', () => {
    expect(unmirrored(sources, new Set(filesBelow('test', '.test.ts')), testedElsewhere)).toEqual([]);
  });
});

/** One file for a rule to judge. */
function source(path: string, text: string): Source[] {
  return [{ path, text }];
}

describe('the rules', () => {
  it.each([
    ['remoting/a.ts', `import { x } from '../client/b.ts';`],
    ['remoting/a.ts', `import type { Log } from '../log.ts';`],
    ['remoting/a.ts', `import { pino } from 'pino';`],
    ['remoting/requests/a.ts', `export { x } from '../../client/b.ts';`],
    ['http2/a.ts', `import { x } from '../remoting/b.ts';`],
    ['http2/hpack/a.ts', `import { x } from 'lru-cache';`],
    ['client/a.ts', `import { x } from '../broker/b.ts';`],
    ['client/a.ts', `import { x } from '../proxy/b.ts';`],
    ['client/a.ts', `import { createLog } from '../log.ts';`],
    ['client/a.ts', `import { type Log, createLog } from '../log.ts';`],
    ['client/a.ts', `const b = await import('../broker/b.ts');`],
    ['client/a.ts', `const b = await import(name);`],
    ['client/a.ts', `type B = import('../broker/b.ts').B;`],
    ['client/a.ts', `import '../broker/b.ts';`],
    ['broker/a.ts', `import type { X } from '../client/b.ts';`],
    ['proxy/a.ts', `import { x } from '../broker/b.ts';`],
    ['proxy/a.ts', `import { readOptions } from '../options.ts';`],
    ['proxy/a.ts', `import { x } from '../server.ts';`],
    ['proxy/a.ts', `import { Command } from 'commander';`],
    ['options.ts', `import { x } from './proxy/a.ts';`],
    ['log.ts', `import { x } from './options.ts';`],
    ['gen/a.ts', `import { readFileSync } from 'node:fs';`],
    ['gen/a.ts', `import { ProtoReader } from '../wire/proto-reader.ts';`],
    ['testing/a.ts', `import { x } from '../client/b.ts';`],
    ['sdk/a.ts', `import { x } from '../remoting/b.ts';`],
    ['sdk/a.ts', `import { x } from '../proxy/b.ts';`],
    ['server.ts', `import { x } from './broker/b.ts';`],
    ['web/a.ts', `import { once } from 'node:events';`],
    ['web/a.ts', `import { x } from '../proxy/b.ts';`],
    ['attic/a.ts', ``],
  ])('%s may not hold: %s', (path, text) => {
    expect(forbiddenImports(source(path, text))).toHaveLength(1);
  });

  it.each([
    ['remoting/requests/a.ts', `import { once } from 'node:events'; import { x } from '../fields.ts';`],
    ['client/a.ts', `import type { Log } from '../log.ts'; import { x } from '../remoting/b.ts';`],
    ['client/a.ts', `import { type Log } from '../log.ts';`],
    ['proxy/a.ts', `import { x } from '../client/b.ts'; import { Code } from '@connectrpc/connect/protocol';`],
    ['options.ts', `import { Command } from 'commander'; import { text } from './option-kinds.ts';`],
    ['server.ts', `import { x } from './proxy/a.ts'; import { y } from './embedded.ts';`],
    ['embedded-engine.ts', `import { x } from './broker/a.ts'; import { y } from './remoting/b.ts';`],
    ['sdk/proxy/a.ts', `import { Client } from '@grpc/grpc-js'; import { x } from '../../gen/b.ts';`],
    ['testing/a.ts', `import { x } from '../broker/a.ts'; import { y } from '../remoting/b.ts';`],
    ['web/a.ts', `import { x } from '../gen/b.ts'; import { Code } from '@connectrpc/connect';`],
  ])('%s may hold: %s', (path, text) => {
    expect(forbiddenImports(source(path, text))).toEqual([]);
  });

  it('finds circles, also of types, and each once', () => {
    const circle = [
      { path: 'client/a.ts', text: `import { b } from './b.ts';` },
      { path: 'client/b.ts', text: `import type { C } from './deep/c.ts'; import { d } from './d.ts';` },
      { path: 'client/deep/c.ts', text: `export type { A } from '../a.ts';` },
      { path: 'client/d.ts', text: `import { once } from 'node:events';` },
      { path: 'client/e.ts', text: `import { e } from './e.ts';` },
    ];
    expect(importCycles(circle)).toEqual([
      'client/a.ts -> client/b.ts -> client/deep/c.ts -> client/a.ts',
      'client/e.ts -> client/e.ts',
    ]);
    expect(importCycles(circle.slice(0, 2))).toEqual([]);
  });

  it('measures files and functions of every kind', () => {
    const lines = (count: number): string => 'x;\n'.repeat(count);
    expect(tooLong(source('client/a.ts', lines(400)))).toEqual([]);
    expect(tooLong(source('client/a.ts', lines(401)))).toEqual(['client/a.ts: 401 lines, at most 400']);
    expect(tooLong(source('gen/a.ts', lines(401)))).toEqual([]);
    for (const [start, end] of [
      ['function f() {\n', '}'],
      ['const f = () => {\n', '};'],
      ['const f = async function* () {\n', '};'],
      ['class C { m() {\n', '} }'],
      ['class C { constructor() {\n', '} }'],
      ['class C { get x() {\n', '} }'],
      ['const o = { m() {\n', '} };'],
    ]) {
      expect(tooLong(source('client/a.ts', `/** Why. */\n${start}${lines(68)}${end}`))).toEqual([]);
      expect(tooLong(source('client/a.ts', `/** Why. */\n${start}${lines(69)}${end}`))).toEqual([
        'client/a.ts:2: a function of 71 lines, at most 70',
      ]);
    }
  });

  it.each([
    `export * from './b.ts';`,
    `export * as b from './b.ts';`,
    `export default 1;`,
    `export default function f() {}`,
    `export default class {}`,
    `export default interface I {}`,
    `const x = 1; export { x as default };`,
    `export = 1;`,
  ])('allows no %s', (text) => {
    expect(forbiddenExports(source('client/a.ts', text))).toHaveLength(1);
    expect(forbiddenExports(source('gen/a.ts', text))).toEqual([]);
  });

  it('allows exports by name, and a default case', () => {
    const text = `export { x } from './b.ts'; export const y = 1; switch (y) { default: break; }`;
    expect(forbiddenExports(source('client/a.ts', text))).toEqual([]);
  });

  it.each([
    `const x = process.env['A'];`,
    `const x = process.env.A;`,
    `const x = process['env'];`,
    `const { env } = process;`,
    `const x = globalThis.process.env;`,
    `import { env } from 'node:process';`,
  ])('allows no %s outside the options', (text) => {
    expect(environmentReads(source('proxy/a.ts', text))).toEqual(['proxy/a.ts: process.env']);
    expect(environmentReads(source('options.ts', text))).toEqual([]);
  });

  it('allows other uses of the process', () => {
    expect(environmentReads(source('proxy/a.ts', `process.memoryUsage(); const env: NodeJS.ProcessEnv = {};`))).toEqual(
      [],
    );
  });

  it('misses tests, and exceptions that are none', () => {
    const files = [
      ...source('client/a.ts', 'export function f() {}'),
      ...source('client/b.ts', 'export class B {}'),
      ...source('client/c.ts', 'export const c = (x: number) => x;'),
      ...source('client/types.ts', 'export interface T { f(): void }'),
      ...source('client/constants.ts', 'export const answer = { is: 42 } as const;'),
      ...source('gen/d.ts', 'export function f() {}'),
      ...source('server.ts', 'export function f() {}'),
    ];
    const tests = new Set(['client/a.test.ts']);
    const reasons = new Map([
      ['client/b.ts', 'tested with a'],
      ['client/a.ts', 'it has a test'],
      ['client/gone.ts', 'it has gone'],
    ]);
    expect(unmirrored(files, tests, new Map())).toEqual([
      'client/b.ts: no test/client/b.test.ts',
      'client/c.ts: no test/client/c.test.ts',
    ]);
    expect(unmirrored(files, tests, reasons)).toEqual([
      'client/c.ts: no test/client/c.test.ts',
      'client/a.ts: needs no exception',
      'client/gone.ts: needs no exception',
    ]);
  });
});
