import { Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { ClientError } from '../../../src/client/errors.ts';
import { anyone, type TargetRequest } from '../../../src/proxy/access/caller.ts';
import { EndpointPolicy, PolicyError } from '../../../src/proxy/access/endpoint-policy.ts';
import { credentialCharsMax, Targets, type TargetsOptions } from '../../../src/proxy/session/targets.ts';
import { RemotingError, ResponseError } from '../../../src/remoting/errors.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';

const nothing: TargetRequest = { endpoint: '', accessKeyId: '', accessKeySecret: '', instanceId: '' };

function targets(change: Partial<TargetsOptions> = {}): Targets {
  return new Targets({
    policy: EndpointPolicy.create({
      host: '0.0.0.0',
      allowedEndpoints: 'allowed,*.example.org',
      allowedBrokers: undefined,
      defaultEndpoint: undefined,
    }),
    instanceNamespace: 'auto',
    defaults: nothing,
    ...change,
  });
}

const defaults: TargetRequest = {
  endpoint: 'allowed:1',
  accessKeyId: 'default id',
  accessKeySecret: 'default secret',
  instanceId: 'MQ_INST_default',
};

it('default keys are those that anybody has who names none', () => {
  const key = { endpoint: 'any:1', accessKeyId: 'default id', accessKeySecret: 'default secret' };
  expect(targets({ defaults }).hasDefaultKeys(key)).toBe(true);
  for (const change of [{ accessKeyId: '' }, { accessKeySecret: 'secret' }])
    expect(targets({ defaults }).hasDefaultKeys({ ...key, ...change })).toBe(false);
  expect(targets().hasDefaultKeys({ endpoint: 'any:1', accessKeyId: '', accessKeySecret: '' })).toBe(true);
});

describe('a target', () => {
  it('is what the request names', () => {
    const request = {
      endpoint: 'http://ALLOWED:2; allowed',
      accessKeyId: 'id',
      accessKeySecret: 'secret',
      instanceId: 'MQ_INST_1',
    };
    expect(targets({ defaults }).resolve(request, anyone)).toEqual({
      endpoint: 'allowed:2;allowed:9876',
      accessKeyId: 'id',
      accessKeySecret: 'secret',
      namespace: 'MQ_INST_1',
      owner: '',
      endpointName: 'endpoint http://ALLOWED:2; allowed',
    });
  });

  it('is what the settings say where the request says nothing', () => {
    const expected = {
      endpoint: 'allowed:1',
      accessKeyId: 'default id',
      accessKeySecret: 'default secret',
      namespace: 'MQ_INST_default',
      owner: '',
      endpointName: 'the default endpoint of this proxy',
    };
    expect(targets({ defaults }).resolve(nothing, anyone)).toEqual(expected);
    expect(targets({ defaults }).default).toEqual(expected);
    expect(targets().default).toBeUndefined();
  });

  it('takes the namespace by the rule', () => {
    const request = { ...nothing, endpoint: 'allowed', instanceId: 'rmq-1' };
    expect(targets().resolve(request, anyone).namespace).toBe('');
    expect(targets({ instanceNamespace: 'always' }).resolve(request, anyone).namespace).toBe('rmq-1');
  });

  it('needs an endpoint', () => {
    expect(() => targets().resolve(nothing, anyone)).toThrow(
      'endpoint is empty, and this proxy has no default one: name a name server as host:9876',
    );
  });

  it('takes the instance out of an endpoint that names one, where the request names no other', () => {
    const endpoint = 'http://MQ_INST_9_x.allowed.example:80';
    const all = EndpointPolicy.create({
      host: '127.0.0.1',
      allowedEndpoints: undefined,
      allowedBrokers: undefined,
      defaultEndpoint: undefined,
    });
    const resolve = (request: Partial<TargetRequest>, options: Partial<TargetsOptions> = {}) =>
      targets({ policy: all, ...options }).resolve({ ...nothing, ...request }, anyone).namespace;
    expect(resolve({ endpoint })).toBe('MQ_INST_9_x');
    expect(resolve({ endpoint, instanceId: 'MQ_INST_1' })).toBe('MQ_INST_1');
    expect(resolve({ endpoint }, { instanceNamespace: 'never' })).toBe('');
    expect(resolve({}, { defaults: { ...nothing, endpoint } })).toBe('MQ_INST_9_x');
    expect(resolve({}, { defaults: { ...nothing, endpoint, instanceId: 'MQ_INST_2' } })).toBe('MQ_INST_2');
  });

  it.each(['accessKeyId', 'accessKeySecret', 'instanceId'] as const)('has a limit for %s', (name) => {
    const request = (length: number) => ({ ...nothing, endpoint: 'allowed', [name]: 'x'.repeat(length) });
    expect(() => targets().resolve(request(credentialCharsMax), anyone)).not.toThrow();
    expect(() => targets().resolve(request(credentialCharsMax + 1), anyone)).toThrow(
      expect.objectContaining({ code: Code.InvalidArgument, rawMessage: `${name} is over 1024 characters` }),
    );
  });

  it('is refused where the policy does not allow it, also in the middle of a list', () => {
    for (const endpoint of ['127.0.0.1:9876', 'allowed;169.254.169.254:80', 'evil.org']) {
      expect(() => targets().resolve({ ...nothing, endpoint }, anyone)).toThrow(
        expect.objectContaining({ name: 'PolicyError', kind: 'refused' }),
      );
    }
    expect(() => targets().endpointText('evil.org')).toThrow(PolicyError);
    expect(targets().endpointText('X.example.org')).toBe('x.example.org:9876');
  });
});

describe('reaching a target', () => {
  const target = targets({ defaults }).resolve({ ...nothing, endpoint: 'allowed:3' }, anyone);

  async function failureOf(error: unknown): Promise<unknown> {
    return targets()
      .reach(target, () => Promise.reject(error))
      .catch((thrown: unknown) => thrown);
  }

  it('gives what the work gives', async () => {
    expect(await targets().reach(target, async () => 5)).toBe(5);
  });

  it.each<[unknown, string]>([
    [new RemotingError('connect', 'x'), 'cannot be reached'],
    [new RemotingError('timeout', 'x'), 'does not answer in time'],
    [new ResponseError(ResponseCode.REQUEST_CODE_NOT_SUPPORTED, 'x', 'y'), 'does not know the request'],
  ])('says of %s what is wrong with the endpoint', async (error, complaint) => {
    const failure = await failureOf(error);
    expect(failure).toBeInstanceOf(ConnectError);
    expect(failure).toMatchObject({
      code: Code.Unavailable,
      rawMessage: `endpoint allowed:3 ${complaint}: is it a RocketMQ name server, and is its broker up?`,
      cause: error,
    });
  });

  it.each<unknown>([
    new RemotingError('cancelled', 'x'),
    new RemotingError('malformed', 'x'),
    new ResponseError(ResponseCode.SYSTEM_ERROR, 'x', 'y'),
    new ClientError('noRoute', 'x'),
    new TypeError('x'),
  ])('leaves %s as it is', async (error) => {
    expect(await failureOf(error)).toBe(error);
  });
});
