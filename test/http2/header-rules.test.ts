import { describe, expect, it } from 'vitest';
import { areTrailersValid, readRequestHead } from '../../src/http2/header-rules.ts';
import type { HeaderField } from '../../src/http2/hpack/header-field.ts';

const get = [':method: GET', ':scheme: https', ':path: /a?b', ':authority: example.org:1'];

/** Fields from `name: value` lines; a pseudo-header field begins with its colon. */
function fields(lines: readonly string[]): HeaderField[] {
  return lines.map((line) => {
    const colon = line.indexOf(': ', 1);
    return { name: line.slice(0, colon), value: line.slice(colon + 2) };
  });
}

describe('the head of a request', () => {
  it('is read', () => {
    const lines = [
      ...get,
      'content-type: text/plain',
      'te: trailers',
      'content-length: 12',
      'x-!#$%: \u00e9',
      'x-empty: ',
    ];
    expect(readRequestHead(fields(lines))).toEqual({
      method: 'GET',
      scheme: 'https',
      path: '/a?b',
      authority: 'example.org:1',
      contentLength: 12,
      headers: fields(lines.slice(4)),
    });
  });

  it.each([
    ['CONNECT', [':method: CONNECT', ':authority: a:1'], { path: '', scheme: '', authority: 'a:1' }],
    ['OPTIONS of everything', [':method: OPTIONS', ':scheme: http', ':path: *'], { path: '*', authority: '' }],
    ['a host', [...get.slice(0, 3), 'host: here'], { authority: 'here', contentLength: -1 }],
    ['the same host twice', [...get, 'host: Example.org:1'], { authority: 'example.org:1' }],
    ['the same length twice', [...get, 'content-length: 7', 'content-length: 7'], { contentLength: 7 }],
  ])('may have %s', (_name, lines, expected) => {
    expect(readRequestHead(fields(lines))).toMatchObject(expected);
  });

  it.each([
    ['no field', []],
    ['no method', get.slice(1)],
    ['an empty method', [':method: ', ...get.slice(1)]],
    ['no scheme', [get[0], get[2]]],
    ['an empty scheme', [get[0], ':scheme: ', get[2]]],
    ['no path', get.slice(0, 2)],
    ['an empty path', [...get.slice(0, 2), ':path: ']],
    ['a path that does not begin with a slash', [...get.slice(0, 2), ':path: a/b']],
    ['a star as path', [...get.slice(0, 2), ':path: *']],
    ['two methods', [...get, ':method: GET']],
    ['two schemes', [...get, ':scheme: https']],
    ['two paths', [...get, ':path: /']],
    ['two authorities', [...get, ':authority: example.org:1']],
    ['another host than authority', [...get, 'host: example.org:2']],
    ['two hosts', [...get.slice(0, 3), 'host: a', 'host: a']],
    ['CONNECT with a path', [':method: CONNECT', ':authority: a:1', ':path: /']],
    ['CONNECT with a scheme', [':method: CONNECT', ':authority: a:1', ':scheme: http']],
    ['CONNECT to nowhere', [':method: CONNECT']],
    ['a pseudo-header field of answers', [...get, ':status: 200']],
    ['an unknown pseudo-header field', [...get, ':protocol: websocket']],
    ['a pseudo-header field behind another field', [...get.slice(1), 'a: b', get[0]]],
    ['upper case', [...get, 'X-a: 1']],
    ['an empty name', [...get, ': 1']],
    ['a blank in a name', [...get, 'x a: 1']],
    ['a colon in a name', [...get, 'x:a: 1']],
    ['a name beyond ASCII', [...get, 'x\u00e9: 1']],
    ['a line break in a value', [...get, 'x: a\r\nb']],
    ['a zero in a value', [...get, 'x: a\0b']],
    ['a zero in a path', [...get.slice(0, 2), ':path: /\0']],
    ['a blank before a value', [...get, 'x:  a']],
    ['a tab behind a value', [...get, 'x: a\t']],
    ['connection', [...get, 'connection: close']],
    ['proxy-connection', [...get, 'proxy-connection: close']],
    ['keep-alive', [...get, 'keep-alive: 5']],
    ['transfer-encoding', [...get, 'transfer-encoding: chunked']],
    ['upgrade', [...get, 'upgrade: h2c']],
    ['te of something else', [...get, 'te: gzip']],
    ['te of more', [...get, 'te: trailers, gzip']],
    ['a length that is no number', [...get, 'content-length: +1']],
    ['a length below zero', [...get, 'content-length: -1']],
    ['an empty length', [...get, 'content-length: ']],
    ['two lengths', [...get, 'content-length: 1', 'content-length: 2']],
  ])('may not have %s', (_name, lines) => {
    expect(readRequestHead(fields(lines.filter((line) => line !== undefined)))).toBeUndefined();
  });
});

describe('trailers', () => {
  it.each([
    ['grpc-status: 0', true],
    ['content-length: 5', true],
    [':path: /', false],
    ['connection: close', false],
    ['X-a: 1', false],
    ['x: a\n', false],
  ])('"%s": %s', (line, isValid) => {
    expect(areTrailersValid(fields(['a: b', line]))).toBe(isValid);
  });
});
