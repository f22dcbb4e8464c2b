// Passes bytes on between two networks: node relay-program.mjs LISTEN TARGET, each HOST:PORT or the path of a socket.
import { createConnection, createServer } from 'node:net';

const [, , listen, target] = process.argv;

function placeOf(text) {
  const [host, port] = text.split(':');
  return text.startsWith('/') ? { path: text } : { host, port: Number(port) };
}

createServer({ noDelay: true }, (near) => {
  const far = createConnection(placeOf(target));
  for (const [one, other] of [
    [near, far],
    [far, near],
  ]) {
    one.on('error', () => {});
    one.on('close', () => other.destroy());
    one.pipe(other);
  }
}).listen(placeOf(listen), () => process.stdout.write('listening\n'));
