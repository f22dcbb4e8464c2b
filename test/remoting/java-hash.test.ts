import { describe, expect, test } from 'vitest';
import { javaStringHash } from '../../src/remoting/java-hash.ts';

describe('javaStringHash', () => {
  // Printed by Java 17: for (String s : …) System.out.println(s.hashCode());
  test.each([
    ['', 0],
    ['a', 97],
    ['TagA', 2598919],
    ['TagB', 2598920],
    ['order-4711', 708276994],
    ['Aa', 2112],
    ['BB', 2112],
    ['polygenelubricants', -2147483648],
    ['äöü€', 7044930],
    ['订单', 1129459],
    ['🚀', 1773027],
    ['x'.repeat(200), 359357440],
  ])('of %j is what Java says', (text, hash) => {
    expect(javaStringHash(text)).toBe(hash);
  });
});
