import { once } from 'node:events';
import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { plainGrpcMessages } from '../../../src/proxy/rpc/grpc-message.ts';
import { http2Client, startListener } from '../../support/started-listener.ts';

/** A server that answers each call with `grpc-message`, escaped as Connect does it. */
async function serverThatSays(message: string, trailers: Record<string, string | string[]> = {}): Promise<number> {
  const { port } = await startListener({
    handler: (request, response) => {
      plainGrpcMessages(request, response);
      response.writeHead(200, { 'content-type': 'application/grpc+proto' });
      response.addTrailers({ 'grpc-status': '9', 'grpc-message': encodeURIComponent(message), ...trailers });
      response.end();
    },
  });
  return port;
}

/** The trailers as they are on the wire. */
async function trailersOf(port: number, contentType: string): Promise<IncomingHttpHeaders> {
  const stream = http2Client(port).request({ ':method': 'POST', 'content-type': contentType });
  stream.end();
  stream.resume();
  const [trailers] = await once(stream, 'trailers');
  return trailers;
}

/** What a user of grpc-js reads. */
async function detailsOf(port: number): Promise<string> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  onTestFinished(() => client.close());
  const error = await new Promise<ServiceError | null>((resolve) => {
    const same = (bytes: Buffer): Buffer => bytes;
    client.makeUnaryRequest('/s/m', same, same, Buffer.alloc(0), new Metadata(), (failure) => resolve(failure));
  });
  return error?.details ?? 'no error';
}

describe('grpc-message', () => {
  it.each([
    ['nothing', ''],
    ['an endpoint', 'endpoint 127.0.0.1:9876;[::1]:9876 cannot be reached'],
    ['all of printable ASCII', String.fromCharCode(...Array.from({ length: 95 }, (_, index) => index + 0x20))],
    ['blanks around it', '  a '],
    ['one blank', ' '],
    ['percent signs', '100% %20 %'],
    ['control characters', 'a\u0000b\r\nc\td\u007f'],
    ['letters of the world', 'größe 主题 топик 😀'],
  ])('is read by grpc-js as it was meant: %s', async (_, message) => {
    expect(await detailsOf(await serverThatSays(message))).toBe(message);
  });

  it('has no other escapes than the gRPC specification asks for', async () => {
    const port = await serverThatSays('a:b/c?d=100% ü\n');
    const { 'grpc-message': message, 'grpc-status': status } = await trailersOf(port, 'application/grpc');
    expect(message).toBe('a:b/c?d=100%25 %C3%BC%0A');
    expect(status).toBe('9');
  });

  it.each(['application/grpc', 'application/grpc+proto', 'application/grpc+json', 'application/grpc;charset=utf-8'])(
    'is plain in answers to %s',
    async (contentType) => {
      expect((await trailersOf(await serverThatSays('a:b'), contentType))['grpc-message']).toBe('a:b');
    },
  );

  it.each(['application/grpc-web+proto', 'application/json', 'text/application/grpc'])(
    'is left alone in answers to %s',
    async (contentType) => {
      expect((await trailersOf(await serverThatSays('a:b'), contentType))['grpc-message']).toBe('a%3Ab');
    },
  );

  it('is not made up where there is none, and other trailers stay', async () => {
    const { port } = await startListener({
      handler: (request, response) => {
        plainGrpcMessages(request, response);
        response.writeHead(200);
        response.addTrailers({ 'grpc-status': '0', 'x-own': 'a%3Ab' });
        response.end();
      },
    });
    const trailers = await trailersOf(port, 'application/grpc');
    expect(Object.entries(trailers)).toEqual([
      ['grpc-status', '0'],
      ['x-own', 'a%3Ab'],
    ]);
  });

  it('may be missing from a request without a content type', async () => {
    const session = connectHttp2(`http://127.0.0.1:${await serverThatSays('a:b')}`);
    onTestFinished(() => session.destroy());
    const stream = session.request({ ':method': 'POST' });
    stream.end();
    stream.resume();
    const [trailers] = await once(stream, 'trailers');
    expect(trailers['grpc-message']).toBe('a%3Ab');
  });
});
