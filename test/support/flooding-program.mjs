// A client that takes all that it can get, in a process of its own: node flooding-program.mjs HOST:PORT CALLS FIELDS REQUEST
// Keeps so many calls of gRPC under way on one connection. FIELDS is what HPACK makes of a call's headers, REQUEST its message with what
// gRPC puts before it, both as base64. Every call is made of these bytes, so that it costs this process next to nothing.
// Every 200 ms it writes how many of its calls were served and how many refused so far: "SERVED REFUSED".
import { connect } from 'node:net';

const [, , address = '', calls, fields = '', request = ''] = process.argv;
const [host, port] = address.split(':');
const headers = Buffer.from(fields, 'base64');
const message = Buffer.from(request, 'base64');
const [DATA, HEADERS, SETTINGS, PING, GOAWAY, WINDOW_UPDATE] = [0, 1, 4, 6, 7, 8];
const [END_STREAM, ACK, END_HEADERS] = [1, 1, 4];

function frame(type, flags, streamId, payload = Buffer.alloc(0)) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

const one = Buffer.concat([frame(HEADERS, END_HEADERS, 1, headers), frame(DATA, END_STREAM, 1, message)]);
const dataAt = 9 + headers.length;
let nextId = 1;

function call() {
  const bytes = Buffer.from(one);
  bytes.writeUInt32BE(nextId, 5);
  bytes.writeUInt32BE(nextId, dataAt + 5);
  nextId += 2;
  return bytes;
}

const manyCalls = (count) => Buffer.concat(Array.from({ length: count }, call));
const socket = connect(Number(port), host);
/** Streams whose answer has begun with a message: those of calls that are refused have none. */
const answered = new Set();
let servedCount = 0;
let refusedCount = 0;

/** @returns whether a call has ended. */
function take(type, flags, streamId, payload) {
  if (type === GOAWAY) throw new Error(`the server ends the connection: ${payload.subarray(8)}`);
  if ((type === SETTINGS || type === PING) && (flags & ACK) === 0)
    socket.write(frame(type, ACK, 0, type === PING ? payload : undefined));
  if (type === DATA) answered.add(streamId);
  if ((type !== DATA && type !== HEADERS) || (flags & END_STREAM) === 0) return false;
  if (answered.delete(streamId)) servedCount += 1;
  else refusedCount += 1;
  return true;
}

let received = Buffer.alloc(0);
socket.on('data', (chunk) => {
  received = Buffer.concat([received, chunk]);
  let endedCount = 0;
  while (received.length >= 9) {
    const length = received.readUIntBE(0, 3);
    if (received.length < 9 + length) break;
    const [type = 0, flags = 0] = received.subarray(3);
    if (take(type, flags, received.readUInt32BE(5), received.subarray(9, 9 + length))) endedCount += 1;
    received = received.subarray(9 + length);
  }
  if (endedCount > 0) socket.write(manyCalls(endedCount));
});

const wholeWindow = Buffer.alloc(4);
wholeWindow.writeUInt32BE(2 ** 31 - 65_536);
socket.write(
  Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(SETTINGS, 0, 0),
    frame(WINDOW_UPDATE, 0, 0, wholeWindow),
  ]),
);
socket.once('data', () => socket.write(manyCalls(Number(calls))));
setInterval(() => process.stdout.write(`${servedCount} ${refusedCount}\n`), 200);
