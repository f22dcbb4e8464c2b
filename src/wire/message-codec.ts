import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { codecs, rawDecoders } from '../gen/rocketmq/rocketmq_codec.ts';
import { ProtoReader } from './proto-reader.ts';
import type { ProtoWriter } from './proto-writer.ts';

/** What is generated for a message. */
interface GeneratedCodec<D extends DescMessage> {
  decode(reader: ProtoReader): MessageShape<D>;
  encode(writer: ProtoWriter, message: MessageInitShape<D>): void;
}

/** A message that is written otherwise than field by field: its bytes are those of a message with the same fields. */
export interface SelfWritten {
  writeTo(writer: ProtoWriter): void;
}

/**
 * What reads messages of a type: generated code where there is some (`buf.gen.yaml` says for what), else protobuf-es.
 *
 * Fields of bytes are views on what is read. Generated code drops fields that it does not know; protobuf-es keeps them.
 * @returns a function that throws an error for bytes that are no such message: a `ProtoError` where the code is generated.
 */
export function decoderOf<D extends DescMessage>(desc: D): (bytes: Uint8Array) => MessageShape<D> {
  const generated = generatedOf(desc);
  if (generated === undefined) return (bytes) => fromBinary(desc, bytes);
  return (bytes) => generated.decode(new ProtoReader(bytes));
}

/**
 * What reads requests of a type for handlers: those that are read raw (`buf.gen.yaml`) are of their raw type, with bytes in place of the
 * strings that a handler only passes on, all others as {@link decoderOf} has them. It refuses what that refuses.
 */
export function requestDecoderOf(desc: DescMessage): (bytes: Uint8Array) => unknown {
  const byName: Readonly<Record<string, (reader: ProtoReader) => unknown>> = rawDecoders;
  const decode = Object.hasOwn(byName, desc.typeName) ? byName[desc.typeName] : undefined;
  return decode === undefined ? decoderOf(desc) : (bytes) => decode(new ProtoReader(bytes));
}

/**
 * What writes messages of a type, as {@link decoderOf} reads them.
 * @param writer is reset for each message; it may be shared.
 * @returns a function whose bytes are good until the writer writes again: who keeps them must copy them.
 */
export function encoderOf<D extends DescMessage>(
  desc: D,
  writer: ProtoWriter,
): (message: MessageInitShape<D>) => Uint8Array {
  const generated = generatedOf(desc);
  if (generated === undefined) return (message) => toBinary(desc, create(desc, message));
  return (message) => {
    writer.reset();
    if (isSelfWritten(message)) message.writeTo(writer);
    else generated.encode(writer, message);
    return writer.written();
  };
}

function isSelfWritten(message: object): message is SelfWritten {
  return 'writeTo' in message;
}

function generatedOf<D extends DescMessage>({ typeName }: D): GeneratedCodec<D> | undefined {
  const byName: Readonly<Record<string, unknown>> = codecs;
  // A codec is of the message that it is named by, which types cannot tell.
  return Object.hasOwn(byName, typeName) ? (byName[typeName] as GeneratedCodec<D>) : undefined;
}
