import { type DescFile, type DescMessage, type DescService, toBinary } from '@bufbuild/protobuf';
import { type DescriptorProto, type EnumDescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Code } from '@connectrpc/connect';
import { type Cancellation, ended } from '../../basics/ending.ts';
import { failure } from './failures.ts';
import { streamEnding } from './stream-ending.ts';

/** Most characters of a name that an error repeats. */
const shownNameCharsMax = 128;

/** A request of grpc.reflection, of v1 or v1alpha: they are alike. */
export interface ReflectionRequest {
  readonly host: string;
  readonly messageRequest:
    | { readonly case: 'fileByFilename' | 'fileContainingSymbol'; readonly value: string }
    | { readonly case: 'allExtensionNumbersOfType' | 'listServices'; readonly value: string }
    | { readonly case: 'fileContainingExtension'; readonly value: { readonly containingType: string } }
    | { readonly case: undefined; readonly value?: undefined };
}

type Answer =
  | { case: 'fileDescriptorResponse'; value: { fileDescriptorProto: Uint8Array<ArrayBuffer>[] } }
  | { case: 'allExtensionNumbersResponse'; value: { baseTypeName: string } }
  | { case: 'listServicesResponse'; value: { service: { name: string }[] } }
  | { case: 'errorResponse'; value: { errorCode: number; errorMessage: string } };

/** The reply to a request. */
export interface ReflectionReply<Request> {
  validHost: string;
  originalRequest: Request;
  messageResponse: Answer;
}

/** Handlers of grpc.reflection. */
export interface ReflectionHandlers {
  /** Answers each request, in order. Fails with UNAVAILABLE when the proxy shuts down. */
  serverReflectionInfo<Request extends ReflectionRequest>(
    requests: AsyncIterable<Request>,
  ): AsyncIterable<ReflectionReply<Request>>;
}

/**
 * Describes these services, by the descriptors that `npm run generate` makes.
 * @param draining aborted when the proxy shuts down.
 * @param more files that no service imports and whose messages callers meet all the same.
 */
export function createReflectionHandlers(
  services: readonly DescService[],
  draining: Cancellation,
  more: readonly DescFile[] = [],
): ReflectionHandlers {
  const files = withImports([...services.map(({ file }) => file), ...more]);
  const byName = new Map(files.map((file) => [file.proto.name, file]));
  const bySymbol = new Map(files.flatMap((file) => symbolsOf(file).map((name) => [name, file] as const)));
  const messages = new Set(files.flatMap((file) => file.messages.flatMap(namesOf)));

  const answer = ({ messageRequest }: ReflectionRequest): Answer => {
    switch (messageRequest.case) {
      case 'fileByFilename':
        return fileAnswer(byName.get(messageRequest.value), 'file', messageRequest.value);
      case 'fileContainingSymbol':
        return fileAnswer(bySymbol.get(messageRequest.value), 'symbol', messageRequest.value);
      case 'listServices':
        return { case: 'listServicesResponse', value: { service: services.map(({ typeName: name }) => ({ name })) } };
      case 'allExtensionNumbersOfType':
        return messages.has(messageRequest.value)
          ? { case: 'allExtensionNumbersResponse', value: { baseTypeName: messageRequest.value } }
          : notFound('message', messageRequest.value);
      case 'fileContainingExtension':
        return notFound('extension of', messageRequest.value.containingType);
      default:
        return errorAnswer(Code.InvalidArgument, 'the request asks for nothing');
    }
  };

  return {
    async *serverReflectionInfo(requests) {
      for await (const request of untilDraining(requests, draining)) {
        yield { validHost: request.host, originalRequest: request, messageResponse: answer(request) };
      }
    },
  };
}

/** What comes until the proxy shuts down. Its writer may be silent for ever, so the end does not wait for it. @throws ConnectError. */
async function* untilDraining<Request>(
  requests: AsyncIterable<Request>,
  draining: Cancellation,
): AsyncGenerator<Request> {
  const iterator = requests[Symbol.asyncIterator]();
  const { signal, end } = streamEnding([draining]);
  try {
    const isEnding = ended(signal);
    for (;;) {
      const next = await Promise.race([isEnding, iterator.next()]);
      if (next === undefined)
        throw failure(Code.Unavailable, 'SHUTTING_DOWN', 'the proxy is shutting down: ask another instance');
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    end();
  }
}

/** The file first, then what it imports. */
function fileAnswer(file: DescFile | undefined, what: string, name: string): Answer {
  if (file === undefined) return notFound(what, name);
  const fileDescriptorProto = withImports([file]).map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: 'fileDescriptorResponse', value: { fileDescriptorProto } };
}

function notFound(what: string, name: string): Answer {
  return errorAnswer(Code.NotFound, `there is no ${what} ${JSON.stringify(name.slice(0, shownNameCharsMax))} here`);
}

function errorAnswer(errorCode: Code, errorMessage: string): Answer {
  return { case: 'errorResponse', value: { errorCode, errorMessage } };
}

/** The files and all that they import, each once. */
function withImports(files: readonly DescFile[]): DescFile[] {
  const found = new Set(files);
  // A set that grows is iterated to its end.
  for (const file of found) for (const imported of file.dependencies) found.add(imported);
  return [...found];
}

/** A message, and those within it. */
function namesOf({ typeName, nestedMessages }: DescMessage): string[] {
  return [typeName, ...nestedMessages.flatMap(namesOf)];
}

/** Full names of all that a file declares. */
function symbolsOf({ proto }: DescFile): string[] {
  return [
    ...proto.service.flatMap((service) => namesIn(proto.package, service.name, service.method)),
    ...proto.messageType.flatMap((message) => messageSymbols(proto.package, message)),
    ...proto.enumType.flatMap((type) => enumSymbols(proto.package, type)),
  ];
}

function messageSymbols(scope: string, message: DescriptorProto): string[] {
  const own = `${scope}.${message.name}`;
  return [
    ...namesIn(scope, message.name, [...message.field, ...message.oneofDecl]),
    ...message.nestedType.flatMap((nested) => messageSymbols(own, nested)),
    ...message.enumType.flatMap((type) => enumSymbols(own, type)),
  ];
}

/** The values of an enum stand beside it, not in it. */
function enumSymbols(scope: string, { name, value }: EnumDescriptorProto): string[] {
  return [`${scope}.${name}`, ...value.map((one) => `${scope}.${one.name}`)];
}

function namesIn(scope: string, name: string, parts: readonly { readonly name: string }[]): string[] {
  return [`${scope}.${name}`, ...parts.map((part) => `${scope}.${name}.${part.name}`)];
}
