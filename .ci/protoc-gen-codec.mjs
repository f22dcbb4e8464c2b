#!/usr/bin/env node
// Plugin of buf: writes decoders and encoders for what some methods take and answer, field by field, beside what protobuf-es writes.
// Its options `method=SendMessage` name those methods, `raw=message_body` strings
// of their requests that are read as bytes. They run on src/wire and give values of protobuf-es's types.
import { ScalarType } from '@bufbuild/protobuf';
import { createEcmaScriptPlugin, runNodeJs } from '@bufbuild/protoplugin';

/** Methods of the reader and the writer for scalars, by protobuf type, the value of a field that is not set, and what one that is set is. */
const scalars = new Map([
  [ScalarType.STRING, { method: 'string', wireType: 2, zero: "''", set: "!== ''" }],
  [ScalarType.BYTES, { method: 'bytes', wireType: 2, zero: 'noBytes', set: '.length > 0' }],
  [ScalarType.BOOL, { method: 'bool', wireType: 0, zero: 'false', set: '=== true' }],
  [ScalarType.INT32, { method: 'int32', wireType: 0, zero: '0', set: '!== 0' }],
  [ScalarType.INT64, { method: 'int64', wireType: 0, zero: '0n', set: '!== 0n' }],
]);

/** @throws Error for a field that hot messages do not have yet: teach this file, and the tests, what it is before one gets it. */
function unknownKind(field) {
  return new Error(`${field}: .ci/protoc-gen-codec.mjs does not know fields of this kind`);
}

function scalarOf(field) {
  const scalar = scalars.get(field.scalar);
  if (scalar === undefined || field.oneof !== undefined || field.proto.proto3Optional) throw unknownKind(field);
  return scalar;
}

/** What is written for a field: its tag, the value of one that is not set, how it is read and how it is written. */
function codeOf(field) {
  const name = field.localName;
  const tagged = (wireType) => field.number * 8 + wireType;
  const delimited = tagged(2);
  if (field.fieldKind === 'message' && field.oneof === undefined) {
    const type = field.message.name;
    return {
      tag: delimited,
      read: embedded(`message.${name} = decode${type}(reader, message.${name});`),
      write: [`if (message.${name} != null) {`, ...writeEmbedded(delimited, type, `message.${name}`), '}'],
    };
  }
  if (field.fieldKind === 'list' && field.listKind === 'message') {
    const type = field.message.name;
    return {
      tag: delimited,
      zero: '[]',
      read: embedded(`message.${name}.push(decode${type}(reader));`),
      write: [`for (const item of message.${name} ?? []) {`, ...writeEmbedded(delimited, type, 'item'), '}'],
    };
  }
  if (field.fieldKind === 'list' && field.scalar === ScalarType.STRING) {
    return {
      tag: delimited,
      zero: '[]',
      read: [`message.${name}.push(reader.string());`],
      write: [`for (const item of message.${name} ?? []) writer.string(${delimited}, item);`],
    };
  }
  if (field.fieldKind === 'map' && field.mapKey === ScalarType.STRING && field.scalar === ScalarType.STRING) {
    return {
      tag: delimited,
      zero: '{}',
      read: [`reader.mapEntry(message.${name});`],
      write: [`if (message.${name} != null) writer.map(${delimited}, message.${name});`],
    };
  }
  if (field.fieldKind !== 'scalar') throw unknownKind(field);
  const { method, wireType, zero, set } = scalarOf(field);
  const tag = tagged(wireType);
  const condition = `message.${name} != null && message.${name}${set.startsWith('.') ? '' : ' '}${set}`;
  return {
    tag,
    zero,
    read: [`message.${name} = reader.${method}();`],
    write: [`if (${condition}) writer.${method}(${tag}, message.${name});`],
  };
}

/** How a field is read in a raw message, whose type and value are then others too; undefined for one that is read as ever. */
function rawCodeOf(f, field, raw) {
  const name = field.localName;
  if (raw.fields.includes(field.name)) {
    return { type: 'Uint8Array', zero: 'noBytes', read: [`message.${name} = reader.textBytes();`] };
  }
  if (field.fieldKind === 'map') {
    const type = [f.import('TextMap', './../wire/text-map.js', true), ' | undefined'];
    const read = [`message.${name} = reader.mapPlaces(message.${name});`];
    return { type, isOptional: true, zero: undefined, read };
  }
  if (!raw.messages.has(field.message)) return undefined;
  const { name: type } = field.message;
  if (field.fieldKind === 'list') {
    return { type: `Raw${type}[]`, zero: '[]', read: embedded(`message.${name}.push(decodeRaw${type}(reader));`) };
  }
  const read = embedded(`message.${name} = decodeRaw${type}(reader, message.${name});`);
  return { type: `Raw${type} | undefined`, isOptional: true, read };
}

/** Those of some messages that have something raw in them, at any depth. */
function rawMessages(messages, fields) {
  const isRaw = (message) =>
    message.fields.some(
      (field) =>
        fields.includes(field.name) ||
        field.fieldKind === 'map' ||
        (field.message !== undefined && field.message !== message && isRaw(field.message)),
    );
  return new Set(messages.filter(isRaw));
}

function embedded(statement) {
  return ['const outerEnd = reader.enter();', statement, 'reader.leave(outerEnd);'];
}

function writeEmbedded(tag, type, value) {
  return [`  const start = writer.begin(${tag});`, `  encode${type}(writer, ${value});`, '  writer.end(start);'];
}

/** Messages and all that they contain, by name. */
function withContents(roots) {
  const found = new Set();
  const add = (message) => {
    if (found.has(message)) return;
    found.add(message);
    for (const { message: inner } of message.fields) if (inner !== undefined) add(inner);
  };
  for (const root of roots) add(root);
  return [...found].sort((one, other) => (one.typeName < other.typeName ? -1 : 1));
}

function printMessage(f, message) {
  const type = f.importShape(message);
  const fields = message.fields.map((field) => ({ name: field.localName, ...codeOf(field) }));
  printDecoder(f, message, { name: message.name, type, fields });
  printEncoder(f, message, fields);
}

function printRawMessage(f, message, raw) {
  const fields = message.fields.map((field) => {
    const name = field.localName;
    return { name, ...codeOf(field), ...rawCodeOf(f, field, raw) };
  });
  const name = `Raw${message.name}`;
  const others = fields.filter(({ type }) => type !== undefined);
  const names = others.map((field) => `'${field.name}'`).join(' | ');
  f.print`/** A ${message.typeName} with bytes in place of strings that are only passed on. */`;
  f.print`export type ${name} = Omit<${f.importShape(message)}, ${names}> & {`;
  for (const field of others) f.print`  ${field.name}${field.isOptional ? '?' : ''}: ${field.type};`;
  f.print`};`;
  f.print``;
  printDecoder(f, message, { name, type: name, fields });
}

function printDecoder(f, message, { name, type, fields }) {
  f.print`/** Reads a ${message.typeName} to the end of what the reader has, into a message that it adds to where one is given. */`;
  f.print`export function decode${name}(reader: ${proto(f, 'Reader')}, message: ${type} = new${name}()): ${type} {`;
  f.print`  for (let tag = reader.tag(); tag >= 0; tag = reader.tag()) {`;
  f.print`    switch (tag) {`;
  for (const { tag, read } of fields) {
    f.print`      case ${tag}: {`;
    for (const line of read) f.print`        ${line}`;
    f.print`        break;`;
    f.print`      }`;
  }
  f.print`      default:`;
  f.print`        reader.skip(tag);`;
  f.print`    }`;
  f.print`  }`;
  f.print`  return message;`;
  f.print`}`;
  f.print``;
  f.print`function new${name}(): ${type} {`;
  f.print`  return {`;
  f.print`    $typeName: '${message.typeName}',`;
  for (const field of fields) if (field.zero !== undefined) f.print`    ${field.name}: ${field.zero},`;
  f.print`  };`;
  f.print`}`;
  f.print``;
}

function printEncoder(f, message, fields) {
  const { name } = message;
  const init = f.import('MessageInitShape', '@bufbuild/protobuf', true);
  f.print`/** Writes a ${message.typeName}. Unknown fields that protobuf-es has kept are left out. */`;
  f.print`export function encode${name}(writer: ${proto(f, 'Writer')}, message: ${init}<typeof ${f.importSchema(message, true)}>): void {`;
  const byNumber = fields.toSorted((one, other) => one.tag - other.tag);
  for (const line of byNumber.flatMap(({ write }) => write)) f.print`  ${line}`;
  f.print`}`;
  f.print``;
}

/** Types only: what the generated functions run on is handed in, so that this folder stays one for browsers too. */
function proto(f, what) {
  return f.import(`Proto${what}`, `./../wire/proto-${what.toLowerCase()}.js`, true);
}

function generateTs(schema) {
  const { methods, raw: rawFields } = schema.options;
  const known = schema.files.flatMap(({ services }) => services.flatMap((service) => service.methods));
  const unknown = methods.filter((method) => known.every(({ name }) => name !== method));
  if (unknown.length > 0) throw new Error(`no service has a method ${unknown.join(' or ')}: see buf.gen.yaml`);
  for (const file of schema.files) {
    const chosen = file.services.flatMap((service) => service.methods.filter(({ name }) => methods.includes(name)));
    if (chosen.length === 0) continue;
    const f = schema.generateFile(`${file.name}_codec.ts`);
    f.preamble(file);
    f.print`/** Of fields that are not set. */`;
    f.print`const noBytes = new Uint8Array(0);`;
    f.print``;
    const messages = withContents(chosen.flatMap(({ input, output }) => [input, output]));
    for (const message of messages) printMessage(f, message);
    const inputs = withContents(chosen.map(({ input }) => input));
    const raw = { fields: rawFields, messages: rawMessages(inputs, rawFields) };
    for (const message of raw.messages) printRawMessage(f, message, raw);
    f.print`/** Of raw messages, by type name. */`;
    f.print`export const rawDecoders = {`;
    for (const { name, typeName } of raw.messages) f.print`  '${typeName}': decodeRaw${name},`;
    f.print`};`;
    f.print``;
    f.print`/** All others, by type name. */`;
    f.print`export const codecs = {`;
    for (const { name, typeName } of messages)
      f.print`  '${typeName}': { decode: decode${name}, encode: encode${name} },`;
    f.print`};`;
  }
}

function parseOptions(options) {
  const methods = options.filter(({ key }) => key === 'method').map(({ value }) => value);
  const raw = options.filter(({ key }) => key === 'raw').map(({ value }) => value);
  return { methods, raw };
}

runNodeJs(createEcmaScriptPlugin({ name: 'protoc-gen-codec', version: 'v1', parseOptions, generateTs }));
