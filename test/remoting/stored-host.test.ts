import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RemotingError } from '../../src/remoting/errors.ts';
import { encodeStoredHost, readStoredHost, storedHostBytes, writeStoredHost } from '../../src/remoting/stored-host.ts';

describe('encodeStoredHost and readStoredHost', () => {
  test.each([
    ['127.0.0.1:10911', '7f00000100002a9f', false],
    ['255.255.255.255:65535', 'ffffffff0000ffff', false],
    ['0.0.0.0:0', '0000000000000000', false],
    ['[::1]:10911', '0000000000000000000000000000000100002a9f', true],
    ['[::]:1', '0000000000000000000000000000000000000001', true],
    ['[2001:db8::5]:1', '20010db800000000000000000000000500000001', true],
    ['[1:2:3:4:5:6:7:8]:9', '0001000200030004000500060007000800000009', true],
    ['[1:0:0:2::3]:9', '0001000000000002000000000000000300000009', true],
    ['[fe80::]:9', 'fe80000000000000000000000000000000000009', true],
  ])('%s is %s', (host, hex, v6) => {
    expect(encodeStoredHost(host).toString('hex')).toBe(hex);
    expect(readStoredHost(Buffer.from(hex, 'hex'), 0, v6)).toBe(host);
    expect(storedHostBytes(v6)).toBe(hex.length / 2);
  });

  test('an IPv6 address has one short form, however it was written', () => {
    const bytes = encodeStoredHost('[2001:DB8:0:0:0:0:0:5]:80');
    expect(readStoredHost(bytes, 0, true)).toBe('[2001:db8::5]:80');
    expect(encodeStoredHost('[::ffff:1.2.3.4]:80').toString('hex')).toBe('00000000000000000000ffff0102030400000050');
  });

  test.each([
    '',
    ':',
    '127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:65536',
    '127.0.0.1:-1',
    '127.0.0.1:1e3',
    '127.0.0:80',
    'localhost:80',
    '::1:80',
    '[::1]',
    '[::1:80',
    '[fe80::1%eth0]:80',
    '[127.0.0.1]:80',
  ])('refuses %j', (host) => {
    expect(() => encodeStoredHost(host)).toThrow(RemotingError);
  });

  test.each(['7f000001ffffffff', '7f00000100010000'])('refuses a port that does not exist: %s', (hex) => {
    expect(() => readStoredHost(Buffer.from(hex, 'hex'), 0, false)).toThrow(RemotingError);
  });

  test('any address comes back', () => {
    const host = fc.oneof(
      fc.tuple(fc.ipV4(), fc.nat(65_535)).map(([ip, port]) => `${ip}:${port}`),
      fc.tuple(fc.ipV6(), fc.nat(65_535)).map(([ip, port]) => `[${ip}]:${port}`),
    );
    fc.assert(
      fc.property(host, (text) => {
        const bytes = encodeStoredHost(text);
        const read = readStoredHost(bytes, 0, bytes.length === storedHostBytes(true));
        expect(encodeStoredHost(read)).toEqual(bytes);
      }),
    );
  });
});

describe('writeStoredHost', () => {
  const written = (host: string): string => {
    const bytes = Buffer.alloc(30);
    const end = writeStoredHost(host, bytes, 5);
    return bytes.toString('hex', 5, end);
  };

  test('writes what encodeStoredHost gives', () => {
    const part = fc.oneof(
      fc.nat(300).map(String),
      fc.constantFrom('00', '01', '', ' 1', '1e1', '-1', '1.', '99999999999'),
    );
    const port = fc.oneof(fc.nat(70_000).map(String), fc.constantFrom('', '00080', '000080', '+1', '65535', '65536'));
    const ip = fc.oneof(
      fc.tuple(part, part, part, part).map((parts) => parts.join('.')),
      fc.array(part, { maxLength: 6 }).map((parts) => parts.join('.')),
      fc.ipV4(),
      fc.ipV6().map((address) => `[${address}]`),
    );
    fc.assert(
      fc.property(ip, port, (address, number) => {
        const host = `${address}:${number}`;
        let expected: string | undefined;
        try {
          expected = encodeStoredHost(host).toString('hex');
        } catch {
          expect(() => written(host)).toThrow(RemotingError);
          return;
        }
        expect(written(host)).toBe(expected);
      }),
      { numRuns: 1_000 },
    );
  });

  test.each(['1.2.3.4:00080', '1.2.3.4:0', '0.0.0.0:65535'])('%s', (host) => {
    expect(written(host)).toBe(encodeStoredHost(host).toString('hex'));
  });
});
