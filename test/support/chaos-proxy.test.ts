import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ChaosProxy, seededRandom, type Weather } from './chaos-proxy.ts';
import { startLoopbackServer } from './loopback-server.ts';

interface Ends {
  readonly chaos: ChaosProxy;
  readonly near: Socket;
  readonly far: Socket;
}

async function connected(weather: Partial<Weather> = {}): Promise<Ends> {
  const server = await startLoopbackServer();
  const chaos = await ChaosProxy.start(server.address);
  chaos.weather = weather;
  onTestFinished(async () => {
    near.destroy();
    await chaos.close();
    await server.close();
  });
  const near = createConnection({ host: '127.0.0.1', port: Number(chaos.address.split(':')[1]), allowHalfOpen: true });
  near.on('error', () => {});
  const [far] = await Promise.all([server.accept(), once(near, 'connect')]);
  return { chaos, near, far };
}

/** Whether with an error or without. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** What a socket reads until so many bytes have come. */
async function read(socket: Socket, length: number): Promise<string> {
  let text = '';
  while (text.length < length) text += String((await once(socket, 'data'))[0]);
  return text;
}

describe('a chaos proxy', () => {
  it('passes bytes on both ways, and ends', async () => {
    const { near, far } = await connected();
    near.write('ping');
    expect(await read(far, 4)).toBe('ping');
    far.write('pong');
    expect(await read(near, 4)).toBe('pong');
    far.resume();
    near.end();
    await once(far, 'end');
  });

  it('delays, in order', async () => {
    const { near, far } = await connected({ delayMs: 40, jitterMs: 30 });
    const startMs = performance.now();
    for (const part of ['a', 'b', 'c', 'd']) near.write(part);
    expect(await read(far, 4)).toBe('abcd');
    expect(performance.now() - startMs).toBeGreaterThan(38);
  });

  it('keeps a rate', async () => {
    const { near, far } = await connected({ bytesPerSecond: 10_000, chunkBytesMax: 500 });
    const startMs = performance.now();
    near.write('x'.repeat(3_000));
    await read(far, 3_000);
    expect(performance.now() - startMs).toBeGreaterThan(280);
  });

  it('cuts', async () => {
    const { near, far } = await connected({ cutChance: 1 });
    near.write('x');
    await Promise.all([closed(near), closed(far)]);
  });

  it('ends one direction and keeps the other', async () => {
    const { near, far } = await connected({ halfCloseChance: 1 });
    near.write('x');
    far.resume();
    await once(far, 'end');
    expect(near.destroyed).toBe(false);
  });

  it('swallows everything in a black hole, and lets it go on afterwards', async () => {
    const { chaos, near, far } = await connected({ blackHole: true });
    let heard = '';
    far.on('data', (bytes) => {
      heard += String(bytes);
    });
    near.write('lost?');
    const other = createConnection({ host: '127.0.0.1', port: Number(chaos.address.split(':')[1]) });
    onTestFinished(() => void other.destroy());
    await once(other, 'connect');
    expect(heard).toBe('');
    chaos.weather = {};
    await once(far, 'data');
    expect(heard).toBe('lost?');
  });

  it('holds answers only, where it is told so', async () => {
    const { chaos, near, far } = await connected({ answersHeld: true });
    near.write('ask');
    expect(await read(far, 3)).toBe('ask');
    far.write('yes');
    near.write('again');
    expect(await read(far, 5)).toBe('again');
    expect(near.bytesRead).toBe(0);
    chaos.weather = {};
    expect(await read(near, 3)).toBe('yes');
  });

  it('refuses connections until it is told otherwise', async () => {
    const { chaos, near } = await connected();
    chaos.refuse();
    await closed(near);
    chaos.refuse(false);
    const other = createConnection({ host: '127.0.0.1', port: Number(chaos.address.split(':')[1]) });
    onTestFinished(() => void other.destroy());
    await once(other, 'connect');
    expect(other.destroyed).toBe(false);
  });

  it('does the same for the same seed', () => {
    const [one, other, third] = [seededRandom(7), seededRandom(7), seededRandom(8)];
    const numbers = (random: () => number): number[] => Array.from({ length: 5 }, random);
    const first = numbers(one);
    expect(numbers(other)).toEqual(first);
    expect(numbers(third)).not.toEqual(first);
    expect(first.every((number) => number >= 0 && number < 1)).toBe(true);
  });
});
