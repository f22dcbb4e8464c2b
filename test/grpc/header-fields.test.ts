import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { escapeMessage, okTrailers, readCallHead, statusFields } from '../../src/grpc/header-fields.ts';
import { StatusCode } from '../../src/grpc/status.ts';

function fields(record: Readonly<Record<string, string>>) {
  return Object.entries(record).map(([name, value]) => ({ name, value }));
}

describe('readCallHead', () => {
  test.each([
    ['application/grpc', 'application/grpc'],
    ['application/grpc+proto', 'application/grpc+proto'],
    ['Application/GRPC', 'application/grpc'],
    ['application/grpc; charset=utf-8', 'application/grpc'],
    ['application/grpc+proto ;a=b', 'application/grpc+proto'],
  ])('answers %s by %s', (type, answered) => {
    expect(readCallHead(fields({ 'content-type': type })).answerHead).toContainEqual({
      name: 'content-type',
      value: answered,
    });
  });

  test.each(['', 'application/grpc-web', 'application/grpc-web+proto', 'application/grpc+json', 'application/json'])(
    'knows nothing of "%s"',
    (type) => {
      expect(readCallHead(fields({ 'content-type': type })).answerHead).toBeUndefined();
      expect(readCallHead([]).answerHead).toBeUndefined();
    },
  );

  test('finds what concerns the call', () => {
    expect(readCallHead(fields({ te: 'trailers', 'grpc-timeout': '1S', 'grpc-encoding': 'gzip' }))).toMatchObject({
      timeout: '1S',
      encoding: 'gzip',
    });
    expect(readCallHead([])).toMatchObject({ timeout: undefined, encoding: 'identity' });
  });
});

describe('statusFields', () => {
  test('says no more than there is to say', () => {
    expect(statusFields({ code: StatusCode.OK, message: 'ignored' })).toBe(okTrailers);
    expect(statusFields({ code: 5, message: '' })).toEqual(fields({ 'grpc-status': '5' }));
    expect(statusFields({ code: 16, message: 'a token, please' })).toEqual(
      fields({ 'grpc-status': '16', 'grpc-message': 'a token, please' }),
    );
  });

  test.each([
    [[0xfb, 0xff], '+/8'],
    [[1], 'AQ'],
    [[1, 2, 3], 'AQID'],
  ])('writes details %j in Base64 without padding', (bytes, text) => {
    const padded = Buffer.from([0xee, ...bytes, 0xee]);
    const details = new Uint8Array(padded.buffer, padded.byteOffset + 1, bytes.length);
    expect(statusFields({ code: 5, message: '', details })).toEqual(
      fields({ 'grpc-status': '5', 'grpc-status-details-bin': text }),
    );
  });
});

describe('escapeMessage', () => {
  test.each([
    ['no topic "a/b": 127.0.0.1:9876', 'no topic "a/b": 127.0.0.1:9876'],
    ['100 %', '100 %25'],
    ['Größe', 'Gr%C3%B6%C3%9Fe'],
    ['a\r\nb\0', 'a%0D%0Ab%00'],
    [' a  b ', '%20a  b%20'],
    [' ', '%20'],
    ['~\u007f', '~%7F'],
    ['\ud800', '%EF%BF%BD'],
  ])('writes %j as %s', (message, escaped) => {
    expect(escapeMessage(message)).toBe(escaped);
  });

  test('loses nothing, and writes only what a field may hold', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (message) => {
        const escaped = escapeMessage(message);
        expect(decodeURIComponent(escaped)).toBe(message);
        expect(escaped).toMatch(/^(?! )[ -~]*(?<! )$/);
      }),
      { seed: 41, numRuns: 1_000 },
    );
  });
});
