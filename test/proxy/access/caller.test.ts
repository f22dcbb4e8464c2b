import { Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { anyone, Caller, type TargetRequest } from '../../../src/proxy/access/caller.ts';

const own: TargetRequest = { endpoint: 'mq:9876', accessKeyId: 'id', accessKeySecret: 'secret', instanceId: '' };
const nothing: TargetRequest = { endpoint: '', accessKeyId: '', accessKeySecret: '', instanceId: '' };
const rights = { publish: ['orders', 'log-*'], subscribe: ['prices'], groups: ['page-*', 'a%shop'] };
const web = new Caller('web', rights);
const held = new Caller('held', { ...rights, target: own });
const spell = (endpoint: string): string => endpoint.toLowerCase();

/** Code and text of a refusal; undefined for what is taken. */
function refusal(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    const { code, rawMessage } = ConnectError.from(error);
    return `${Code[code]}: ${rawMessage.split(':')[0]}`;
  }
}

describe('a caller', () => {
  it.each(['orders', 'log-', 'log-1'])('may send to %s, which its token names', (topic) => {
    expect(refusal(() => web.checkPublish(topic))).toBeUndefined();
  });

  it.each(['order', 'orders2', 'Orders', 'log', 'prices', 'a%orders', '*', ''])('may not send to %s', (topic) => {
    expect(refusal(() => web.checkPublish(topic))).toBe(`PermissionDenied: this token may not send to topic ${topic}`);
  });

  it('may receive only where its token names topic and group both', () => {
    expect(refusal(() => web.checkSubscribe('prices', 'page-7'))).toBeUndefined();
    expect(refusal(() => web.checkSubscribe('prices', 'a%shop'))).toBeUndefined();
    expect(refusal(() => web.checkSubscribe('orders', 'page-7'))).toContain('receive from topic orders');
    expect(refusal(() => web.checkSubscribe('prices', 'other'))).toContain('as consumer group other');
  });

  it('may do everything where the proxy has no tokens', () => {
    expect(refusal(() => anyone.checkPublish('t'))).toBeUndefined();
    expect(refusal(() => anyone.checkSubscribe('t', 'g'))).toBeUndefined();
    expect(anyone.target(own, spell)).toBe(own);
  });

  it('names its own target where its token holds it to none', () => {
    expect(web.target(own, spell)).toBe(own);
  });

  it.each<[Partial<TargetRequest>, string]>([
    [{}, 'names nothing'],
    [{ endpoint: 'MQ:9876' }, 'names the endpoint in another spelling'],
    [own, 'names all of it'],
  ])('has the target of its token where it %s', (request) => {
    expect(held.target({ ...nothing, ...request }, spell)).toBe(own);
  });

  it.each<[keyof TargetRequest]>([['endpoint'], ['accessKeyId'], ['accessKeySecret'], ['instanceId']])(
    'may not have another %s than its token, and is not told that one',
    (name) => {
      const refused = refusal(() => held.target({ ...own, [name]: 'other' }, spell));
      expect(refused).toContain('PermissionDenied: this token may not use');
      expect(refused).not.toMatch(/mq:9876|secret/);
    },
  );

  it('has ended once its token was taken away', () => {
    const caller = new Caller('a', rights);
    expect(caller.hasEnded).toBe(false);
    caller.end();
    expect(caller.hasEnded).toBe(true);
  });
});
