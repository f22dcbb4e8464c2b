import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Command, Serialization } from '../../src/remoting/command.ts';
import { asBuffer, decodeCommand } from '../../src/remoting/command-codec.ts';
import { type Frame, FrameDecoder } from '../../src/remoting/frame.ts';
import { writeBinaryHeader } from '../../src/remoting/header-binary.ts';
import { fixture } from '../fixtures/fixture.ts';
import { capturedCommand } from '../support/captured-command.ts';
import { encodeCommand, frameOfHeader, headerOf } from '../support/encoded-command.ts';

/**
 * Frames written by Java: `RemotingCommand.encode()` of the jars `rocketmq-remoting` 4.9.7 and 5.5.0, which wrote the same bytes.
 * Version 407 was set on each; JAVA is the language.
 */
const javaFrames: readonly { name: string; hex: string; command: Command }[] = [
  {
    name: 'a JSON request',
    hex:
      '000000950000008c7b22636f6465223a3230303035302c226578744669656c6473223a7b22746f706963223a2254e4b8bb222c22656d70' +
      '7479223a22227d2c22666c6167223a302c226c616e6775616765223a224a415641222c226f7061717565223a372c2273657269616c697a' +
      '655479706543757272656e74525043223a224a534f4e222c2276657273696f6e223a3430377d68656c6c6f',
    command: {
      code: 200050,
      opaque: 7,
      flag: 0,
      version: 407,
      language: 'JAVA',
      remark: undefined,
      extFields: { topic: 'T主', empty: '' },
      body: Buffer.from('hello'),
    },
  },
  {
    name: 'a JSON reply',
    hex:
      '00000097000000937b22636f6465223a31372c226578744669656c6473223a7b7d2c22666c6167223a312c226c616e6775616765223a22' +
      '4a415641222c226f7061717565223a2d323134373438333634382c2272656d61726b223a226e6f205c22726f7574655c225c6e222c2273' +
      '657269616c697a655479706543757272656e74525043223a224a534f4e222c2276657273696f6e223a3430377d',
    command: {
      code: 17,
      opaque: -2147483648,
      flag: 1,
      version: 407,
      language: 'JAVA',
      remark: 'no "route"\n',
      extFields: {},
      body: Buffer.alloc(0),
    },
  },
  {
    name: 'a binary one-way request',
    hex: '000000300100002701360001977fffffff0000000200000000000000120001620000000454e4b8bb00016900000000000102fffe',
    command: {
      code: 310,
      opaque: 2147483647,
      flag: 2,
      version: 407,
      language: 'JAVA',
      remark: undefined,
      extFields: { b: 'T主', i: '' },
      body: Buffer.from([0, 1, 2, 0xff, 0xfe]),
    },
  },
  {
    name: 'a binary reply',
    hex: '000000300100002c0011000197ffffffff00000001000000096e6f20e8b7afe794b10000000e0007717565756549640000000133',
    command: {
      code: 17,
      opaque: -1,
      flag: 1,
      version: 407,
      language: 'JAVA',
      remark: 'no 路由',
      extFields: { queueId: '3' },
      body: Buffer.alloc(0),
    },
  },
];

const request: Command = {
  code: 310,
  opaque: 5,
  flag: 0,
  version: 475,
  language: 'NODE_JS',
  remark: undefined,
  extFields: { a: 'group' },
  body: Buffer.from('body'),
};

/** Whether a frame has the parts of these bytes. Faster than a matcher, which looks at each byte of a Buffer by itself. */
function isFrameOf(bytes: Buffer) {
  const bodyStart = 8 + bytes.readUIntBE(5, 3);
  return (frame: Frame): boolean =>
    frame.serialization === bytes.readUInt8(4) &&
    headerOf(frame).equals(bytes.subarray(8, bodyStart)) &&
    frame.body.equals(bytes.subarray(bodyStart));
}

function roundTrip(command: Command, serialization: Serialization) {
  const [frame] = new FrameDecoder().push(Buffer.concat(encodeCommand(command, serialization)));
  if (frame === undefined) throw new Error('no frame');
  return { serialization: frame.serialization, command: decodeCommand(frame) };
}

describe('decodeCommand', () => {
  test.each(javaFrames)('reads $name of Java, cut at any place', ({ hex, command }) => {
    const bytes = Buffer.from(hex, 'hex');
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const decoder = new FrameDecoder();
      const frames = [...decoder.push(bytes.subarray(0, cut)), ...decoder.push(bytes.subarray(cut))];
      expect(frames.map(decodeCommand)).toEqual([command]);
    }
  });

  test.each([2, 255])('refuses header serialisation %i', (serialization) => {
    const frame = frameOfHeader(Buffer.from('{"code":0,"opaque":0,"flag":0}'), serialization);
    expect(() => decodeCommand(frame)).toThrow(expect.objectContaining({ kind: 'malformed' }));
  });
});

describe('frames of real brokers', () => {
  const table = readFileSync(new URL('../fixtures/README.md', import.meta.url), 'utf8');
  const captured = [...table.matchAll(/^\| `(\S+)\.hex` \| \S+ \| .* \| (\d+) \|$/gm)].map(
    ([, name = '', code = '']) => ({
      name,
      code: Number(code),
    }),
  );

  test('are all in the table', () => {
    expect(captured.length).toBeGreaterThan(40);
  });

  test.each(captured)('$name is one command, cut at any place', ({ name, code }) => {
    const bytes = fixture(name);
    const cuts = [...Array(bytes.length).keys()].filter((cut) => {
      const decoder = new FrameDecoder();
      const frames = [...decoder.push(bytes.subarray(0, cut)), ...decoder.push(bytes.subarray(cut))];
      return !frames.every(isFrameOf(bytes)) || frames.length !== 1;
    });
    expect(cuts).toEqual([]);
    const command = capturedCommand(name);
    const sentByBroker = /^(check|notify)/.test(name);
    expect(command).toMatchObject({
      code,
      flag: sentByBroker ? 2 : 1,
      version: name.endsWith('4.9.7') ? 407 : 513,
      opaque: expect.any(Number),
    });
  });

  test('all together are as many frames, byte by byte', () => {
    const decoder = new FrameDecoder();
    const stream = Buffer.concat(captured.map(({ name }) => fixture(name)));
    const frames = [...stream].flatMap((byte) => decoder.push(Buffer.from([byte])));
    expect(frames.map((frame, at) => isFrameOf(fixture(captured[at]?.name ?? ''))(frame))).toEqual(
      captured.map(() => true),
    );
  });

  test('are answered in their own serialisation: 4.9.7 mirrors a binary request, 5.5.0 answers JSON', () => {
    expect(['send-binary-4.9.7', 'send-binary-5.5.0'].map((name) => fixture(name).readUInt8(4))).toEqual([1, 0]);
  });
});

describe('writeHead', () => {
  test.each(javaFrames.filter(({ name }) => name.startsWith('a binary')))(
    'writes $name as Java does',
    ({ hex, command }) => {
      // Even where we would write JSON, since Java reads its own empty values as none.
      const header = Buffer.alloc(1_000);
      const length = writeBinaryHeader(command, header, 0);
      expect(header.toString('hex', 0, length)).toBe(hex.slice(16, 16 + 2 * length));
    },
  );

  test.each(javaFrames)('comes back with $name in either serialisation', ({ command }) => {
    for (const serialization of [Serialization.JSON, Serialization.ROCKETMQ]) {
      expect(roundTrip(command, serialization).command).toEqual(command);
      const ours = { ...command, language: undefined };
      expect(roundTrip(ours, serialization).command).toEqual({ ...command, language: 'NODE_JS' });
    }
  });

  test('uses the serialisation that was asked for, and JSON for a code that a binary header would cut', () => {
    expect(roundTrip(request, Serialization.JSON).serialization).toBe(Serialization.JSON);
    expect(roundTrip({ ...request, code: 32767 }, Serialization.ROCKETMQ).serialization).toBe(Serialization.ROCKETMQ);
    expect(roundTrip({ ...request, code: 32768 }, Serialization.ROCKETMQ)).toEqual({
      serialization: Serialization.JSON,
      command: { ...request, code: 32768 },
    });
  });

  test('writes JSON where a binary header would lose something: an empty value, or that there are no fields', () => {
    for (const extFields of [{ a: 'group', i: '' }, {}]) {
      expect(roundTrip({ ...request, extFields }, Serialization.ROCKETMQ)).toEqual({
        serialization: Serialization.JSON,
        command: { ...request, extFields },
      });
    }
  });

  test('refuses a frame over the limit', () => {
    const frameBytes = Buffer.concat(encodeCommand(request, Serialization.ROCKETMQ)).length;
    expect(encodeCommand(request, Serialization.ROCKETMQ, frameBytes)).toHaveLength(2);
    expect(() => encodeCommand(request, Serialization.ROCKETMQ, frameBytes - 1)).toThrow(
      expect.objectContaining({ kind: 'malformed' }),
    );
  });
});

test('asBuffer views bytes without a copy', () => {
  const bytes = new Uint8Array([1, 2, 3, 4]).subarray(1, 3);
  const view = asBuffer(bytes);
  expect([...view]).toEqual([2, 3]);
  expect(view.buffer).toBe(bytes.buffer);
  expect(asBuffer(view)).toBe(view);
  expect(asBuffer(undefined)).toHaveLength(0);
});
