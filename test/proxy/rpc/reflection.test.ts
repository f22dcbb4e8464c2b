import { getEventListeners } from 'node:events';
import { create, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials, type ServiceDefinition } from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer } from '@grpc/proto-loader';
import { describe, expect, it, onTestFinished } from 'vitest';
import { file_google_rpc_error_details } from '../../../src/gen/google/rpc/error_details_pb.ts';
import { Health } from '../../../src/gen/grpc/health/v1/health_pb.ts';
import { ServerReflection, ServerReflectionRequestSchema } from '../../../src/gen/grpc/reflection/v1/reflection_pb.ts';
import { RocketMQProxy } from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import { createReflectionHandlers } from '../../../src/proxy/rpc/reflection.ts';
import { type Fields, GrownClient } from '../../support/grown-client.ts';
import { refusalOf } from '../../support/proxy-parts.ts';
import { startTestProxy } from '../../support/started-proxy.ts';

type Asked = MessageInitShape<typeof ServerReflectionRequestSchema>['messageRequest'];

function createHandlers(draining: AbortSignal) {
  const services = [RocketMQProxy, Health, ServerReflection];
  return createReflectionHandlers(services, draining, [file_google_rpc_error_details]);
}

/** What one request is answered with. */
async function ask(messageRequest: Asked) {
  const handlers = createHandlers(new AbortController().signal);
  const request = create(ServerReflectionRequestSchema, {
    host: 'here',
    ...(messageRequest === undefined ? {} : { messageRequest }),
  });
  const requests = (async function* () {
    yield request;
  })();
  for await (const { validHost, originalRequest, messageResponse } of handlers.serverReflectionInfo(requests)) {
    expect(validHost).toBe('here');
    expect(originalRequest).toBe(request);
    return messageResponse;
  }
  throw new Error('there was no answer');
}

/** The names of the files in the answer. */
async function files(messageRequest: Asked): Promise<string[]> {
  const answer = await ask(messageRequest);
  if (answer.case !== 'fileDescriptorResponse') throw new Error(`no files: ${JSON.stringify(answer)}`);
  return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
}

describe('reflection', () => {
  it('names all services', async () => {
    expect(await ask({ case: 'listServices', value: '*' })).toEqual({
      case: 'listServicesResponse',
      value: {
        service: [
          { name: 'rocketmq.RocketMQProxy' },
          { name: 'grpc.health.v1.Health' },
          { name: 'grpc.reflection.v1.ServerReflection' },
        ],
      },
    });
  });

  it.each([
    'rocketmq.RocketMQProxy',
    'rocketmq.RocketMQProxy.SendMessage',
    'rocketmq.Message',
    'rocketmq.Message.PropertiesEntry',
    'rocketmq.Message.message_body',
  ])('gives the file of %s', async (value) => {
    expect(await files({ case: 'fileContainingSymbol', value })).toEqual(['rocketmq/rocketmq.proto']);
  });

  it.each(['grpc.health.v1.HealthCheckResponse.ServingStatus', 'grpc.health.v1.HealthCheckResponse.SERVING'])(
    'gives the file of %s',
    async (value) => {
      expect(await files({ case: 'fileContainingSymbol', value })).toEqual(['grpc/health/v1/health.proto']);
    },
  );

  it('gives a file by its name, and behind it what it imports', async () => {
    expect(await files({ case: 'fileByFilename', value: 'google/rpc/error_details.proto' })).toEqual([
      'google/rpc/error_details.proto',
      'google/protobuf/duration.proto',
    ]);
    expect(await files({ case: 'fileByFilename', value: 'google/protobuf/duration.proto' })).toHaveLength(1);
    expect(await files({ case: 'fileContainingSymbol', value: 'google.rpc.ErrorInfo' })).toHaveLength(2);
  });

  it('knows of no extensions', async () => {
    expect(await ask({ case: 'allExtensionNumbersOfType', value: 'rocketmq.Message' })).toEqual({
      case: 'allExtensionNumbersResponse',
      value: { baseTypeName: 'rocketmq.Message' },
    });
    const extension = { containingType: 'rocketmq.Message', extensionNumber: 1 };
    expect(await ask({ case: 'fileContainingExtension', value: extension })).toMatchObject({
      value: { errorCode: 5, errorMessage: 'there is no extension of "rocketmq.Message" here' },
    });
  });

  it.each<[Asked, number, string]>([
    [{ case: 'fileByFilename', value: '' }, 5, 'there is no file "" here'],
    [{ case: 'fileByFilename', value: '../../etc/passwd' }, 5, 'there is no file "../../etc/passwd" here'],
    [{ case: 'fileContainingSymbol', value: 'rocketmq' }, 5, 'there is no symbol "rocketmq" here'],
    [{ case: 'fileContainingSymbol', value: 'x'.repeat(1_000) }, 5, `there is no symbol "${'x'.repeat(128)}" here`],
    [
      { case: 'allExtensionNumbersOfType', value: 'rocketmq.RocketMQProxy' },
      5,
      'there is no message "rocketmq.RocketMQProxy" here',
    ],
    [undefined, 3, 'the request asks for nothing'],
  ])('says what is wrong with %j', async (asked, errorCode, errorMessage) => {
    expect(await ask(asked)).toEqual({ case: 'errorResponse', value: { errorCode, errorMessage } });
  });

  it('ends an idle stream when the proxy shuts down, and leaves nothing behind', async () => {
    const draining = new AbortController();
    const handlers = createHandlers(draining.signal);
    const listServices = create(ServerReflectionRequestSchema, { messageRequest: { case: 'listServices', value: '' } });
    const asked = (async function* () {
      yield listServices;
      await new Promise(() => {});
    })();
    const answers = handlers.serverReflectionInfo(asked)[Symbol.asyncIterator]();
    expect(await answers.next()).toMatchObject({ value: { messageResponse: { case: 'listServicesResponse' } } });
    const idle = answers.next();
    draining.abort();
    expect(await refusalOf(idle)).toEqual(['SHUTTING_DOWN', 'the proxy is shutting down: ask another instance']);
    expect(getEventListeners(draining.signal, 'abort')).toEqual([]);
    const late = handlers.serverReflectionInfo(asked)[Symbol.asyncIterator]();
    expect((await refusalOf(late.next()))[0]).toBe('SHUTTING_DOWN');
  });

  it.each(['v1', 'v1alpha'])('of %s is enough to call, without files', async (version) => {
    const { port, proxy } = await startTestProxy();
    const address = `127.0.0.1:${port}`;
    const service = `grpc.reflection.${version}.ServerReflection`;
    const reflection = new GrownClient(address, `grpc/reflection/${version}/reflection.proto`, service);
    onTestFinished(() => reflection.close());
    const stream = reflection.converse('ServerReflectionInfo');
    stream.call.write({ list_services: '' });
    stream.call.write({ file_containing_symbol: 'rocketmq.RocketMQProxy' });
    const [listed, described] = await stream.take(2);
    expect(listed?.['list_services_response'].service).toContainEqual({ name: service });
    const files: Uint8Array[] = described?.['file_descriptor_response'].file_descriptor_proto;
    stream.call.end();
    await stream.ended();

    // A FileDescriptorSet holds the files as its field 1.
    const set = Buffer.concat(files.flatMap((file) => [Buffer.from([0x0a]), varint(file.length), file]));
    const definition = loadFileDescriptorSetFromBuffer(set, { keepCase: true })['rocketmq.RocketMQProxy'];
    const method = (definition as ServiceDefinition)['HealthCheck'];
    if (method === undefined) throw new Error('there is no HealthCheck in the descriptors');
    const client = new Client(address, credentials.createInsecure());
    onTestFinished(() => client.close());
    const reply = await new Promise<Fields>((resolve, reject) => {
      client.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, {}, (error, value) =>
        error === null ? resolve({ ...value }) : reject(error),
      );
    });
    expect(reply).toMatchObject({ healthy: true });

    const idle = reflection.converse('ServerReflectionInfo');
    idle.call.write({ list_services: '' });
    await idle.take(1);
    const [end] = await Promise.allSettled([idle.ended(), proxy.close(60_000)]);
    const reason = { code: 14, details: expect.stringContaining('shutting down') };
    expect(end).toMatchObject({ status: 'rejected', reason });
  });
});

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left > 127; left >>= 7) bytes.push((left & 127) | 128);
  return Buffer.from([...bytes, left]);
}
