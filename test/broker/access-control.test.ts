import { describe, expect, it } from 'vitest';
import { AccessControl } from '../../src/broker/access-control.ts';
import { RequestRefused } from '../../src/broker/refused.ts';
import type { Command, CommandContent } from '../../src/remoting/command.ts';
import { ResponseError } from '../../src/remoting/errors.ts';
import { getMaxOffset } from '../../src/remoting/requests/consumer-offset.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import { signRequest } from '../../src/remoting/signature.ts';
import { connectEngine, startTestEngine } from '../support/engine-client.ts';
import { blankCommand } from '../support/loopback-server.ts';

const keys = [
  { accessKey: 'alice', secretKey: 'alice-secret' },
  { accessKey: 'bob', secretKey: 'bob-secret' },
];
const access = new AccessControl(keys);
const content: CommandContent = { code: 310, extFields: { b: 'topic', a: 'group', z: 'ü' }, body: Buffer.from('body') };

function commandOf({ body, ...content }: CommandContent): Command {
  return { ...blankCommand, ...content, body: Buffer.from(body ?? '') };
}

function signed(accessKey = 'alice', secretKey = `${accessKey}-secret`, given = content): Command {
  return commandOf(signRequest(given, { accessKey, secretKey }));
}

/** Checks a request that must be refused. */
function refusal(request: Command): RequestRefused {
  try {
    access.check(request);
  } catch (error) {
    if (error instanceof RequestRefused) return error;
    throw error;
  }
  throw new Error('the request was let in');
}

describe('access control', () => {
  it.each([105, 106])('lets everybody ask where brokers are (code %i): name servers check nothing', (code) => {
    expect(() => access.check(commandOf({ code, extFields: { topic: 't' } }))).not.toThrow();
  });

  it('lets everybody in where there are no keys', () => {
    const open = new AccessControl([]);
    expect(() => open.check(commandOf(content))).not.toThrow();
    expect(() => open.check(signed('nobody'))).not.toThrow();
  });

  it('lets in who signs with a known key', () => {
    expect(() => access.check(signed('alice'))).not.toThrow();
    expect(() => access.check(signed('bob'))).not.toThrow();
    expect(() => access.check(signed('bob', 'bob-secret', { code: 34, extFields: {} }))).not.toThrow();
  });

  it('takes what a client of a cloud adds to the signed fields', () => {
    const extFields = { ...content.extFields, OnsChannel: 'ALIYUN', SecurityToken: 'token' };
    expect(() => access.check(signed('alice', 'alice-secret', { ...content, extFields }))).not.toThrow();
  });

  const right = signed();
  const withField = (name: string, value: string): Command => ({
    ...right,
    extFields: { ...right.extFields, [name]: value },
  });
  const { Signature: signature = '', ...unsigned } = right.extFields;
  it.each<[string, Command]>([
    ['without a signature', { ...right, extFields: unsigned }],
    ['without anything', commandOf(content)],
    ['with an empty signature', withField('Signature', '')],
    ['with a signature of another length', withField('Signature', `${signature}=`)],
    ['with a signature of other characters', withField('Signature', 'ü'.repeat(signature.length / 2))],
    ['with the wrong secret', signed('alice', 'bob-secret')],
    ['with the secret that stands for unknown keys', signed('mallory', 'none')],
    ['with an unknown key', signed('mallory')],
    ['with an empty key', signed('', 'none')],
    ['with a key that every object has', signed('__proto__', 'none')],
    ["with another's key", withField('AccessKey', 'bob')],
    ['with a field altered', withField('b', 'other')],
    ['with a field added', withField('c', 'more')],
    ['with another body', { ...right, body: Buffer.from('bodz') }],
    ['without its body', { ...right, body: Buffer.alloc(0) }],
  ])('refuses a request %s, and always with one text', (_, request) => {
    const { code, message } = refusal(request);
    expect(code).toBe(ResponseCode.NO_PERMISSION);
    expect(message).toBe('check signature failed: unknown access key, or wrong secret');
  });

  it('stands before name server and broker alike', async () => {
    const { nameServer, brokerAddress } = await startTestEngine({ accessKeys: keys });
    for (const address of [nameServer, brokerAddress]) {
      const stranger = await connectEngine(address);
      const refused = stranger.ask(getMaxOffset, { topic: 'topic', queueId: 0 });
      await expect(refused).rejects.toThrow(ResponseError);
      await expect(refused).rejects.toMatchObject({ code: ResponseCode.NO_PERMISSION });
      expect((await stranger.invoke({ code: 25, extFields: {} })).code).toBe(ResponseCode.REQUEST_CODE_NOT_SUPPORTED);
      const friend = await connectEngine(address, { credentials: { accessKey: 'bob', secretKey: 'bob-secret' } });
      expect(await friend.ask(getMaxOffset, { topic: 'topic', queueId: 0 })).toEqual({ offset: 0n });
    }
  });
});
