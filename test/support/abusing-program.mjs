// Clients that abuse HTTP/2, in a process of their own: node abusing-program.mjs PORT ADDRESS CONNECTIONS SECONDS
// Reads from its input, as a line of base64 each, what a connection says first and what it then says again and again ("" for nothing more).
// Each of so many connections comes from ADDRESS, reads what it is told and never closes by itself; one that was closed is opened again at
// once, until the seconds are over. Then it writes what happened, as JSON.
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

const [, , port, localAddress, connections, seconds] = process.argv;
const lines = [];
for await (const line of createInterface({ input: process.stdin })) lines.push(Buffer.from(line, 'base64'));
const [opening = Buffer.alloc(0), flood = Buffer.alloc(0)] = lines;
const endMs = performance.now() + Number(seconds) * 1_000;
const GOAWAY = 7;

/** Connections that were told something, those that were not, and bytes that were sent. */
const told = { servedCount: 0, refusedCount: 0, writtenBytes: 0 };
/** From the first byte to the end, and from GOAWAY to the end, of connections that were told why they end; in ms. */
const livedMs = [];
const graceMs = [];
/** How often each code came in GOAWAY. */
const codes = {};

function open() {
  if (performance.now() >= endMs) return;
  let startedMs = 0;
  let goawayMs = 0;
  let received = Buffer.alloc(0);
  const socket = connect({ port: Number(port), host: '127.0.0.1', localAddress, noDelay: true, allowHalfOpen: true });
  const write = () => {
    while (flood.length > 0 && socket.writable && performance.now() < endMs) if (!socket.write(flood)) return;
  };
  socket.on('error', () => {});
  socket.on('connect', () => {
    startedMs = performance.now();
    socket.write(opening);
    write();
  });
  socket.on('drain', write);
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 9 && received.length >= 9 + received.readUIntBE(0, 3)) {
      if (received[3] === GOAWAY && goawayMs === 0) {
        goawayMs = performance.now();
        const code = received.readUInt32BE(13);
        codes[code] = (codes[code] ?? 0) + 1;
      }
      received = received.subarray(9 + received.readUIntBE(0, 3));
    }
  });
  let isServed = false;
  socket.once('data', () => {
    isServed = true;
  });
  socket.on('close', () => {
    const nowMs = performance.now();
    told.writtenBytes += socket.bytesWritten;
    if (isServed) told.servedCount += 1;
    else if (startedMs > 0) told.refusedCount += 1;
    if (goawayMs > 0) {
      livedMs.push(nowMs - startedMs);
      graceMs.push(nowMs - goawayMs);
    } else if (isServed) livedMs.push(nowMs - startedMs);
    setImmediate(open);
  });
}

for (let count = 0; count < Number(connections); count += 1) open();
setTimeout(
  () => {
    process.stdout.write(`${JSON.stringify({ ...told, livedMs, graceMs, codes })}\n`);
    process.exit();
  },
  endMs - performance.now() + 1_500,
);
