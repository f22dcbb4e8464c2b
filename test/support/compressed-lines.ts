import { readFileSync } from 'node:fs';

/** What the files in `test/fixtures/compression` unfold to. */
export function lines(): Buffer {
  const cities = ['Bonn', 'Oslo', 'Lima', 'Kyoto'];
  const line = (order: number): string =>
    JSON.stringify({
      order,
      customer: (order * 7_919) % 1_009,
      price: ((order * 31) % 97) + 0.5,
      city: cities[order ** 2 % 4],
    });
  const all = Array.from({ length: 3_000 }, (_, order) => `${line(order)}\n`).join('');
  return Buffer.from(all.slice(0, 140_000));
}

/** A body compressed by others: `compressedLines('lines-java.zst')`. */
export function compressedLines(name: string): Buffer {
  return readFileSync(new URL(`../fixtures/compression/${name}`, import.meta.url));
}
