import { describe, expect, it } from 'vitest';
import { addressCharsMax, addressesMax, parseNameServers } from '../../../src/client/cluster/addresses.ts';
import { ClientError } from '../../../src/client/errors.ts';

const normalized = (text: string): string =>
  parseNameServers(text)
    .map(({ address }) => address)
    .join(';');

function kindOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof ClientError) return error.kind;
    throw error;
  }
  return 'taken';
}

describe('parseNameServers', () => {
  it.each([
    ['localhost:9876', 'localhost:9876'],
    ['mq', 'mq:9876'],
    ['http://MQ_INST_1.Example.COM:80/', 'mq_inst_1.example.com:80'],
    ['https://mq:443', 'mq:443'],
    ['b:1;a:2', 'b:1;a:2'],
    [' a:1 ,b:2;\tc:3; ', 'a:1;b:2;c:3'],
    ['a:1;A:1;http://a:1/', 'a:1'],
    ['a:9876;a', 'a:9876'],
    ['mq.example.com.:9876', 'mq.example.com:9876'],
    ['[::1]:9876', '[::1]:9876'],
    ['[2001:DB8:0:0::1]', '[2001:db8::1]:9876'],
    ['a:65535', 'a:65535'],
  ])('reads %s as %s', (text, expected) => {
    expect(normalized(text)).toBe(expected);
  });

  it.each([
    ['127.0.0.1', '127.0.0.1:9876'],
    ['2130706433:1', '127.0.0.1:1'],
    ['0x7f000001', '127.0.0.1:9876'],
    ['0x7F.1', '127.0.0.1:9876'],
    ['127.1:80', '127.0.0.1:80'],
    ['0177.0.0.01', '127.0.0.1:9876'],
    ['127.0.0.1.', '127.0.0.1:9876'],
    ['[::ffff:127.0.0.1]', '127.0.0.1:9876'],
    ['[::FFFF:7f00:1]:5', '127.0.0.1:5'],
    ['[0:0:0:0:0:ffff:a9fe:a9fe]', '169.254.169.254:9876'],
    ['0', '0.0.0.0:9876'],
  ])('knows the address behind %s', (text, expected) => {
    expect(normalized(text)).toBe(expected);
  });

  it.each([
    '',
    ' ; ,',
    'a:0',
    'a:65536',
    'a:-1',
    'a:x',
    'a:',
    ':9876',
    '.',
    'ftp://a:1',
    'user@a:1',
    'a:1/path',
    'a:1?x=1',
    'a:1#x',
    'a%2eb:1',
    '::1',
    '[::1',
    '[::1%25eth0]:1',
    '[1.2.3.4]:1',
    '１２７.0.0.1',
    'ⓔxample.com',
    '256.1.1.1',
    '1.2.3.4.5',
    '0x1ffffffff',
    'a\u0000b',
    'a\\b',
  ])('refuses %j as malformed', (text) => {
    expect(kindOf(() => parseNameServers(text))).toBe('invalid');
  });

  it('takes 16 addresses of 255 characters and no more', () => {
    const longest = (index: number): string =>
      `${'a'.repeat(addressCharsMax - 7)}${String(index).padStart(2, 'x')}:9876`;
    const list = Array.from({ length: addressesMax }, (_, index) => longest(index));
    expect(parseNameServers(list.join('; '))).toHaveLength(16);
    expect(() => parseNameServers([...Array.from({ length: 17 }, (_, index) => `a${index}`)].join(';'))).toThrow(
      /17 addresses/,
    );
    expect(kindOf(() => parseNameServers(`b${list[0]}`))).toBe('invalid');
    expect(() => parseNameServers(`${list.join('; ')}${' '.repeat(100)}`)).toThrow(/too long/);
  });
});
