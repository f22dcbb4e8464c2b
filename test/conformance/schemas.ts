import { createFileRegistry, type FileRegistry, fromBinary, type Message } from '@bufbuild/protobuf';
import type { GenMessage } from '@bufbuild/protobuf/codegenv2';
import { type Any, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

const suitePackage = 'connectrpc.conformance.v1';

/** Several values of one field of a header. */
export type HeaderMessage = Message & { name: string; value: string[] };

/** An error that a call is to fail with. */
export type ErrorMessage = Message & { code: number; message?: string; details: Any[] };

interface Definition {
  responseHeaders: HeaderMessage[];
  responseTrailers: HeaderMessage[];
  responseDelayMs: number;
}

/** How a call is to be answered that has one reply. */
export type UnaryDefinition = Message &
  Definition & {
    response:
      | { case: 'responseData'; value: Uint8Array }
      | { case: 'error'; value: ErrorMessage }
      | { case: undefined; value?: undefined };
  };

/** How a call is to be answered that has any number of replies. */
export type StreamDefinition = Message & Definition & { responseData: Uint8Array[]; error?: ErrorMessage };

/** A request that says how the call is to be answered. */
export type DefiningRequest<Definition> = Message & { responseDefinition?: Definition };

/** A request of the stream that is answered by a stream. */
export type BidiRequest = DefiningRequest<StreamDefinition> & { fullDuplex: boolean };

/** What the service saw of a call. */
export type RequestInfo = Message & { requestHeaders: HeaderMessage[]; timeoutMs?: bigint; requests: Any[] };

/** What server the suite wants. */
export type ServerCompatRequest = Message & {
  useTls: boolean;
  clientTlsCert: Uint8Array;
  serverCreds?: Message & { cert: Uint8Array; key: Uint8Array };
};

/** Where it is. */
export type ServerCompatResponse = Message & { host: string; port: number; pemCert: Uint8Array };

/** The messages of the suite, of which nothing generated is kept here: they come from its own descriptors. */
export interface Schemas {
  readonly registry: FileRegistry;
  readonly service: ReturnType<typeof serviceOf>;
  readonly header: GenMessage<HeaderMessage>;
  readonly requestInfo: GenMessage<RequestInfo>;
  readonly compatRequest: GenMessage<ServerCompatRequest>;
  readonly compatResponse: GenMessage<ServerCompatResponse>;
}

/** @param descriptors a FileDescriptorSet of the suite's protos, as bytes. */
export function readSchemas(descriptors: Uint8Array): Schemas {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors));
  const message = <Of extends Message>(name: string): GenMessage<Of> => {
    const found = registry.getMessage(`${suitePackage}.${name}`);
    if (found === undefined) throw new Error(`the suite has no message ${name}`);
    // Only generated code knows a type by itself.
    return found as GenMessage<Of>;
  };
  return {
    registry,
    service: serviceOf(registry),
    header: message('Header'),
    requestInfo: message('ConformancePayload.RequestInfo'),
    compatRequest: message('ServerCompatRequest'),
    compatResponse: message('ServerCompatResponse'),
  };
}

function serviceOf(registry: FileRegistry) {
  const service = registry.getService(`${suitePackage}.ConformanceService`);
  if (service === undefined) throw new Error('the suite has no ConformanceService');
  return service;
}
