import { expect, test } from 'vitest';
import { prefixed, ServedGrpc, unary } from '../support/served-grpc.ts';

const methods = { '/a.B/Echo': unary((request) => request) };

test.each([
  ['another content type', '/a.B/Echo', { 'content-type': 'application/json' }, { ':status': '415' }],
  ['gRPC of JSON', '/a.B/Echo', { 'content-type': 'application/grpc+json' }, { ':status': '415' }],
  ['another HTTP method', '/a.B/Echo', { ':method': 'PUT' }, { ':status': '405', allow: 'POST' }],
  ['an unknown path', '/a.B/echo', {}, { ':status': '200', 'grpc-status': '12' }],
  ['a path with a query', '/a.B/Echo?x', {}, { ':status': '200', 'grpc-status': '12' }],
])('%s is refused', async (_, path, fields, answer) => {
  const client = await (await ServedGrpc.start(methods)).rawClient();
  expect((await client.call(path, prefixed('hello'), fields)).headers).toEqual([expect.objectContaining(answer)]);
});

test('what is refused may be served by another handler', async () => {
  const client = await (
    await ServedGrpc.start(methods, {
      fallback: (stream) => {
        stream.sendHeaders([{ name: ':status', value: '204' }], true);
        return { data() {}, trailers() {}, reset() {}, drain() {} };
      },
    })
  ).rawClient();
  const calls = [
    client.call('/', prefixed('')),
    client.call('/a.B/Echo', prefixed(''), { 'content-type': 'application/connect+proto' }),
    client.call('/a.B/Echo', prefixed('')),
  ].map(async (answer) => (await answer).headers[0]?.[':status']);
  expect(await Promise.all(calls)).toEqual(['204', '204', '200']);
});
