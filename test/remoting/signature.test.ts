import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { CommandContent, ExtFields } from '../../src/remoting/command.ts';
import { type Credentials, signatureOf, signRequest } from '../../src/remoting/signature.ts';

interface Sample {
  readonly name: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly extFields: ExtFields;
  readonly body?: Buffer;
  readonly signature: string;
}

/**
 * Made once with `AclClientRPCHook.doBeforeRequest` of Java: `rocketmq-acl` 4.9.7 and `rocketmq-client` 5.5.0 gave the same
 * signatures. A request got these header fields and this body (none where there is none), the hook the two keys.
 */
const samples: readonly Sample[] = [
  {
    name: 'fields and a body',
    accessKey: 'rocketmq',
    secretKey: '12345678',
    extFields: { topic: 'T', queueId: '3' },
    body: Buffer.from('hello'),
    signature: 'i61Oe4DmRdm151Grt6KtCvGMTzQ=',
  },
  {
    name: 'no body',
    accessKey: 'rocketmq',
    secretKey: '12345678',
    extFields: { topic: 'T' },
    signature: 'MPXxcgOFELOLf06gM+oCpEsVjoM=',
  },
  {
    name: 'an empty body',
    accessKey: 'rocketmq',
    secretKey: '12345678',
    extFields: { topic: 'T' },
    body: Buffer.alloc(0),
    signature: 'MPXxcgOFELOLf06gM+oCpEsVjoM=',
  },
  {
    name: 'a binary body and control characters',
    accessKey: 'rocketmq',
    secretKey: '12345678',
    extFields: { a: 'group', b: 'topic', i: 'KEYS\u0001k\u0002' },
    body: Buffer.from([0, 1, 2, 0xff, 0xfe]),
    signature: 'm30YbQlKn/IPTPUsRBc/RzeNtSg=',
  },
  {
    name: 'names in upper and lower case, and below the letters',
    accessKey: 'AK',
    secretKey: 'secret',
    extFields: { Zeta: '1', alpha: '2', BornTime: '3', _UNIQUE_KEY: 'true' },
    signature: '8t73vf8cKzO51xN9xF36A3RLiXo=',
  },
  {
    name: 'names and values beyond ASCII, ordered by UTF-16 unit and not by code point',
    accessKey: 'AK',
    secretKey: 'sécret-密',
    extFields: { topic: '主题', 名: '🚀', '\uffee': 'x', '😀k': 'y' },
    body: Buffer.from('消息 🚀'),
    signature: 'Xr1up4FsObxOPUxMLzt7UgzSVsA=',
  },
  {
    name: 'an empty value',
    accessKey: 'AK',
    secretKey: 'sk',
    extFields: { i: '', b: 'T' },
    body: Buffer.from('hello'),
    signature: 'RmO56ncFxSy3XbJBrBjb0fRU7bc=',
  },
  { name: 'no fields', accessKey: 'AK', secretKey: 'sk', extFields: {}, signature: '/SwE5cYh3zhk/R4gCfIqXkKIMLo=' },
  {
    name: 'a signature of before',
    accessKey: 'AK',
    secretKey: 'sk',
    extFields: { b: 'T', Signature: 'stale' },
    body: Buffer.from('hello'),
    signature: 'RmO56ncFxSy3XbJBrBjb0fRU7bc=',
  },
];

/** One line of java-signatures.jsonl. */
interface JavaSample extends Credentials {
  readonly extFields: ExtFields;
  readonly body?: string;
  readonly signature: string;
}

/**
 * 60 requests with random fields (seed 42), a third of them with a security token, a quarter with the field `OnsChannel`, and what
 * `AclClientRPCHook.doBeforeRequest` of Java made of them: a short program filled a `RemotingCommand` and wrote down its `Signature`.
 * Compiled and run with `rocketmq-client` 5.5.0, and again with `rocketmq-acl` 4.9.7: both gave the same file.
 */
const javaSamples = readFileSync(new URL('java-signatures.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as JavaSample);

function contentOf({ extFields, body }: Sample): CommandContent {
  return { code: 310, extFields, ...(body === undefined ? {} : { body }) };
}

describe('signRequest', () => {
  test.each(samples)('signs $name as Java does', (sample) => {
    const { accessKey, secretKey, extFields, signature } = sample;
    const signed = signRequest(contentOf(sample), { accessKey, secretKey });
    expect(signed).toEqual({
      ...contentOf(sample),
      extFields: { ...extFields, AccessKey: accessKey, Signature: signature },
    });
  });

  test('signs random requests, tokens and channels of clouds as Java does', () => {
    expect(javaSamples.length).toBe(60);
    for (const { extFields, body, signature, ...keys } of javaSamples) {
      const { OnsChannel: onsChannel, ...fields } = extFields;
      const content = {
        code: 310,
        extFields: fields,
        ...(body === undefined ? {} : { body: Buffer.from(body, 'base64') }),
      };
      const signed = signRequest(content, { ...keys, onsChannel });
      expect(signed.extFields['Signature']).toBe(signature);
      expect(signed.extFields['SecurityToken']).toBe(keys.securityToken);
      expect(signed.extFields['OnsChannel']).toBe(onsChannel);
    }
  });

  test('leaves the mark of a look-up by UNIQ_KEY out, and claims a version of which all brokers expect that', () => {
    const keys = { accessKey: 'AK', secretKey: 'sk' };
    const plain = signRequest({ code: 12, extFields: { topic: 'T', key: 'K' } }, keys);
    const marked = signRequest({ code: 12, extFields: { topic: 'T', key: 'K', _UNIQUE_KEY_QUERY: 'true' } }, keys);
    expect(plain.version).toBeUndefined();
    expect(marked.version).toBe(399);
    expect(marked.extFields['_UNIQUE_KEY_QUERY']).toBe('true');
    expect(marked.extFields['Signature']).toBe(plain.extFields['Signature']);
    // What Java of 4.9.4 and newer sends, and brokers of 5.x expect of it.
    expect(signatureOf({ extFields: marked.extFields, version: 401 }, 'sk')).not.toBe(plain.extFields['Signature']);
  });

  test('signs what it signed before the same way, and leaves its input alone', () => {
    for (const sample of samples) {
      const content = contentOf(sample);
      const before = { ...content.extFields };
      const once = signRequest(content, sample);
      expect(content.extFields).toEqual(before);
      expect(signRequest(once, sample)).toEqual(once);
    }
  });

  test('takes any name of a field as a field', () => {
    const extFields = JSON.parse('{"__proto__":"x"}') as ExtFields;
    const signed = signRequest({ code: 1, extFields }, { accessKey: 'AK', secretKey: 'sk' });
    expect(Object.keys(signed.extFields).sort()).toEqual(['AccessKey', 'Signature', '__proto__']);
  });

  test('does not carry the secret', () => {
    const signed = signRequest({ code: 1, extFields: {} }, { accessKey: 'AK', secretKey: 'a secret key' });
    expect(JSON.stringify(signed)).not.toContain('a secret key');
  });
});
