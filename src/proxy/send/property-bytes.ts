import { isReservedProperty, mayBeReservedProperty } from '../../remoting/message.ts';
import type { TextMap } from '../../wire/text-map.ts';

/** With more, to compare each name with all others would cost more than to make strings of them. */
const countMax = 16;
/** What ends a name, and what ends a value, where brokers store properties (Java `MessageDecoder`). */
const nameEnd = 1;
const valueEnd = 2;

/**
 * User properties as brokers store them, without a string of them in between. What is not plainly right is left to the way by strings,
 * which says what is wrong with it: names that are empty, reserved or there twice, empty values, the bytes 1 and 2.
 * @returns undefined for what is to go by strings.
 */
export function propertyBytesOf(map: TextMap): Buffer | undefined {
  const { places, count } = map;
  if (count > countMax) return undefined;
  const target = Buffer.allocUnsafe(map.textBytes + 2 * count);
  let end = 0;
  for (let at = 0; at < places.length; at += 4) {
    if (isReserved(map, at) || isRepeated(map, at)) return undefined;
    const valueAt = copyText(map, at, target, end) + 1;
    const next = copyText(map, at + 2, target, valueAt) + 1;
    if (valueAt === 0 || next === 0) return undefined;
    target[valueAt - 1] = nameEnd;
    target[next - 1] = valueEnd;
    end = next;
  }
  return target;
}

/** @returns where it ends in the target; -1 for one that is empty or would end a property. */
function copyText({ bytes, places }: TextMap, at: number, target: Buffer, targetAt: number): number {
  const start = places[at] ?? 0;
  const end = places[at + 1] ?? 0;
  if (start === end) return -1;
  let to = targetAt;
  for (let from = start; from < end; from += 1) {
    const byte = bytes[from] ?? 0;
    if (byte === nameEnd || byte === valueEnd) return -1;
    target[to] = byte;
    to += 1;
  }
  return to;
}

function isReserved({ bytes, places }: TextMap, at: number): boolean {
  const start = places[at] ?? 0;
  return (
    mayBeReservedProperty(bytes[start] ?? 0) && isReservedProperty(bytes.toString('utf8', start, places[at + 1] ?? 0))
  );
}

/** Whether the name has come before. */
function isRepeated({ bytes, places }: TextMap, at: number): boolean {
  const start = places[at] ?? 0;
  const length = (places[at + 1] ?? 0) - start;
  for (let other = 0; other < at; other += 4) {
    const otherStart = places[other] ?? 0;
    if ((places[other + 1] ?? 0) - otherStart !== length) continue;
    let index = 0;
    while (index < length && bytes[start + index] === bytes[otherStart + index]) index += 1;
    if (index === length) return true;
  }
  return false;
}
