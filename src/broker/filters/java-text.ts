/** A number as Java holds it: a literal's kind decides how a property's text is read before the two are compared. */
export type JavaNumber =
  | { readonly kind: 'integer'; readonly value: number }
  | { readonly kind: 'long'; readonly value: bigint }
  | { readonly kind: 'double'; readonly value: number };

const wholePattern = /^([+-]?)0*([0-9]{1,19})$/;
const doublePattern = /^([+-]?(?:NaN|Infinity|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?))[fFdD]?$/;
const longMax = 0x7fff_ffff_ffff_ffffn;

/** Java `Integer.valueOf`, `Long.valueOf` or `Double.valueOf`; undefined where those throw. */
export function parseJavaNumber(text: string, kind: JavaNumber['kind']): JavaNumber | undefined {
  if (kind === 'integer') return parseInteger(text);
  return kind === 'long' ? parseLong(text) : parseDouble(text);
}

/** Java `Integer.valueOf`: no spaces, no fraction, 32 bits. Only ASCII digits, where Java takes those of any script. */
function parseInteger(text: string): JavaNumber | undefined {
  if (!wholePattern.test(text)) return undefined;
  const value = Number(text);
  return (value | 0) === value ? { kind: 'integer', value: value | 0 } : undefined;
}

/** Java `Long.valueOf`: no spaces, no fraction, 64 bits. */
export function parseLong(text: string): JavaNumber | undefined {
  const parts = wholePattern.exec(text);
  if (parts === null) return undefined;
  const magnitude = BigInt(parts[2] ?? '');
  const value = parts[1] === '-' ? -magnitude : magnitude;
  return value > longMax || value < -longMax - 1n ? undefined : { kind: 'long', value };
}

/** Java `Double.valueOf`: trims, knows NaN, Infinity and a last f or d. Java's hexadecimal fractions are not known here. */
export function parseDouble(text: string): JavaNumber | undefined {
  const parts = doublePattern.exec(trimmed(text));
  return parts === null ? undefined : { kind: 'double', value: Number(parts[1]) };
}

/** Java `compareTo` after widening: whole numbers exactly, and as doubles as soon as one of the two is a double. */
export function compareNumbers(left: JavaNumber, right: JavaNumber): number {
  if (left.kind === 'double' || right.kind === 'double') return compareDoubles(Number(left.value), Number(right.value));
  if (left.value < right.value) return -1;
  return left.value > right.value ? 1 : 0;
}

/** Java `Double.compareTo`: -0.0 comes before 0.0, and NaN is equal to itself and greater than all else. */
function compareDoubles(left: number, right: number): number {
  if (left < right) return -1;
  if (left > right) return 1;
  if (Object.is(left, right)) return 0;
  if (left === right) return Object.is(left, -0) ? -1 : 1;
  return Number.isNaN(left) ? 1 : -1;
}

/** Minus the number. Whole zero stays zero; Long.MIN_VALUE cannot be written, so that nothing overflows. */
export function negated(number: JavaNumber): JavaNumber {
  if (number.kind === 'long') return { kind: 'long', value: -number.value };
  if (number.kind === 'integer') return { kind: 'integer', value: 0 - number.value };
  return { kind: 'double', value: -number.value };
}

/** Java `String.trim`: takes away what is not above the space, control characters included, but no other white space. */
export function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && text.charCodeAt(start) <= 0x20) start += 1;
  while (end > start && text.charCodeAt(end - 1) <= 0x20) end -= 1;
  return text.slice(start, end);
}
