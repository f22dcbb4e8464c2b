import { describe, expect, it } from 'vitest';
import {
  EndpointPolicy,
  type EndpointPolicySettings,
  endpointText,
  PolicyError,
  parseEndpoint,
} from '../../../src/proxy/access/endpoint-policy.ts';

function policy(given: Partial<EndpointPolicySettings>): EndpointPolicy {
  return EndpointPolicy.create({
    host: '0.0.0.0',
    allowedEndpoints: undefined,
    allowedBrokers: undefined,
    defaultEndpoint: undefined,
    ...given,
  });
}

function kindOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof PolicyError) return error.kind;
    throw error;
  }
  return 'taken';
}

const normalized = (text: string): string => endpointText(parseEndpoint(text));

describe('parseEndpoint', () => {
  it('reads name servers, and says what is wrong with the text', () => {
    expect(normalized('http://MQ.example.com/; b:1')).toBe('mq.example.com:9876;b:1');
    expect(kindOf(() => parseEndpoint(''))).toBe('malformed');
    expect(() => parseEndpoint('a b:x')).toThrow(
      'the endpoint is malformed: "b:x" is no host:port; expected name servers as host:9876[;host:9876]',
    );
  });
});

describe('EndpointPolicy', () => {
  it.each(['127.0.0.1', '127.8.9.1', 'localhost', '::1', '::ffff:127.0.0.1'])(
    'allows everything when bound to %s',
    (host) => {
      const open = policy({ host });
      expect(open.checkEndpoint('169.254.169.254:80')).toHaveLength(1);
      expect(open.brokerAllowed('10.0.0.1:10911')).toBe(true);
    },
  );

  it.each(['0.0.0.0', '::', '192.168.0.4', 'proxy.example.com', '::ffff:10.0.0.1'])(
    'demands PROXY_ALLOWED_ENDPOINTS when bound to %s',
    (host) => {
      expect(() => policy({ host, defaultEndpoint: 'mq:9876' })).toThrow(/PROXY_ALLOWED_ENDPOINTS/);
      expect(kindOf(() => policy({ host }))).toBe('configuration');
    },
  );

  it('keeps to the list on loopback too, once it is set', () => {
    const listed = policy({ host: '127.0.0.1', allowedEndpoints: 'mq' });
    expect(kindOf(() => listed.checkEndpoint('other:9876'))).toBe('refused');
    expect(listed.brokerAllowed('other:10911')).toBe(false);
  });

  it('allows all with *', () => {
    const open = policy({ allowedEndpoints: '*' });
    expect(open.checkEndpoint('a:1;b:2')).toHaveLength(2);
    expect(open.brokerAllowed('10.0.0.1:1')).toBe(true);
  });

  it('allows the default endpoint only with none, and trusts its name servers unless brokers are listed', () => {
    const own = policy({ allowedEndpoints: ' none ', defaultEndpoint: 'mq:9876' });
    expect(['mq:9876', 'mq:9877', 'none', '127.0.0.1'].map((text) => kindOf(() => own.checkEndpoint(text)))).toEqual([
      'taken',
      'refused',
      'refused',
      'refused',
    ]);
    expect(own.brokerAllowed('10.0.0.1:10911')).toBe(true);
    const strict = policy({ allowedEndpoints: 'none', allowedBrokers: '10.0.0.0/8', defaultEndpoint: 'mq:9876' });
    expect(['10.0.0.1:10911', '11.0.0.1:10911'].map((address) => strict.brokerAllowed(address))).toEqual([true, false]);
  });

  const listed = policy({
    allowedEndpoints:
      'mq.example.com:9876, any.example.com; *.cloud.example 10.1.0.0/16 fd00::/8,[2001:db8::7]:9876,192.0.2.9 *.p.example:80',
    defaultEndpoint: 'http://home:9999',
  });

  it.each([
    ['mq.example.com', true],
    ['MQ.EXAMPLE.COM.:9876', true],
    ['mq.example.com:80', false],
    ['any.example.com:1;any.example.com:2', true],
    ['sub.any.example.com', false],
    ['a.cloud.example:80', true],
    ['a.b.cloud.example', true],
    ['cloud.example', false],
    ['evilcloud.example', false],
    ['cloud.example.evil.com', false],
    ['x.p.example:80', true],
    ['x.p.example:81', false],
    ['10.1.2.3', true],
    ['10.2.2.3', false],
    ['0x0a010203:1', true],
    ['[::ffff:10.1.2.3]', true],
    ['167838211', true],
    ['[fd12::1]:9876', true],
    ['[fe80::1]', false],
    ['[2001:db8:0::7]', true],
    ['[2001:db8::7]:1', false],
    ['192.0.2.9:1', true],
    ['[::ffff:192.0.2.9]:1', true],
    ['home:9999', true],
    ['home:9998', false],
    ['mq.example.com;127.0.0.1', false],
    ['127.0.0.1', false],
    ['2130706433', false],
    ['0x7f.1', false],
    ['[::ffff:7f00:1]', false],
    ['169.254.169.254', false],
    ['[::ffff:169.254.169.254]:80', false],
    ['0:80', false],
    ['localhost', false],
    ['[::1]', false],
    ['[64:ff9b::a01:203]', false],
    ['[::10.1.2.3]', false],
  ])('%s is allowed: %s', (endpoint, allowed) => {
    expect(kindOf(() => listed.checkEndpoint(endpoint))).toBe(allowed ? 'taken' : 'refused');
  });

  it('says what is refused and who can change it', () => {
    expect(() => listed.checkEndpoint('mq.example.com;0x7f.1')).toThrow(
      /endpoint 127\.0\.0\.1:9876 is not allowed here.*operator.*PROXY_ALLOWED_ENDPOINTS/,
    );
  });

  it.each([
    ['mq.example.com:10911', true],
    ['any.example.com:10911', true],
    ['x.cloud.example:10911', true],
    ['x.p.example:10911', true],
    ['10.1.9.9:10911', true],
    ['home:10911', true],
    ['[2001:db8::7]:10911', true],
    ['192.0.2.9:10911', true],
    ['127.0.0.1:10911', false],
    ['0x7f.1:10911', false],
    ['10.2.0.1:10911', false],
    ['', false],
    ['not an address', false],
  ])('broker %s is allowed by the hosts of the endpoints: %s', (address, allowed) => {
    expect(listed.brokerAllowed(address)).toBe(allowed);
  });

  it('holds brokers to their own list when there is one', () => {
    const own = policy({
      allowedEndpoints: '*',
      allowedBrokers: '10.0.0.0/8,broker:10911',
      defaultEndpoint: 'mq:9876',
    });
    const addresses = ['10.9.9.9:1', 'broker:10911', 'broker:10912', 'mq:10911', '11.0.0.1:10911'];
    expect(addresses.map((address) => own.brokerAllowed(address))).toEqual([true, true, false, false, false]);
  });

  it.each<[string, string, boolean]>([
    // Pods and machines of private networks are what names are for.
    ['mq.example.com:9876', '10.9.9.9', true],
    ['mq.example.com:9876', '203.0.113.7', true],
    ['a.cloud.example:1', 'fd12::7', true],
    ...[
      ...['127.0.0.1', '127.8.9.1', '0.0.0.0', '169.254.169.254', '100.100.100.200', '::1', '::', 'fe80::1'],
      ...['fe80::1%eth0', 'fd00:ec2::254', '::ffff:127.0.0.1', '::ffff:a9fe:a9fe', '64:ff9b::7f00:1', '2002:7f00:1::'],
      ...['::127.0.0.1', '224.0.0.1', '255.255.255.255', 'no address'],
    ].map((ip): [string, string, boolean] => ['a.cloud.example:1', ip, false]),
    // What is not allowed as a name is not for what it stands for.
    ['other.example:9876', '10.9.9.9', false],
    ['other.example:9876', '10.1.9.9', false],
    // Listed itself, on its port.
    ['mq.example.com:9876', '127.0.0.3', true],
    ['a.cloud.example:9877', '127.0.0.3', false],
    ['a.cloud.example:1', '169.254.7.7', true],
    ['a.cloud.example:1', '::ffff:169.254.7.7', true],
    // What the operator works with himself may be this machine.
    ['home:9999', '127.0.1.1', true],
    ['home:1', '127.0.1.1', false],
    ['localhost:1', '127.0.0.1', true],
    ['localhost:1', '::1', true],
    ['localhost:1', '169.254.169.254', false],
    // Numbers that only resolvers take for addresses.
    ['167838211:1', '10.1.2.3', true],
    ['167838211:1', '10.2.2.3', false],
  ])('%s may stand for %s: %s', (address, ip, allowed) => {
    const allowedEndpoints = 'mq.example.com:9876,*.cloud.example,10.1.0.0/16,localhost,127.0.0.3:9876,169.254.7.0/24';
    const inside = policy({ allowedEndpoints, defaultEndpoint: 'home:9999' });
    expect(inside.nameServerAllowed(address, ip)).toBe(allowed);
  });

  it('looks at what names of brokers stand for as well', () => {
    const inside = policy({ allowedEndpoints: 'mq:9876,127.0.0.3:9876', defaultEndpoint: 'home:9999' });
    const at = (address: string, ip: string): boolean => inside.brokerAllowed(address, ip);
    expect([at('mq:10911', '10.0.0.1'), at('mq:10911', '127.0.0.3'), at('home:10911', '127.0.1.1')]).toEqual([
      true,
      true,
      true,
    ]);
    expect([at('mq:10911', '127.0.0.1'), at('other:10911', '10.0.0.1')]).toEqual([false, false]);
    expect(policy({ allowedEndpoints: '*' }).brokerAllowed('mq:1', '127.0.0.1')).toBe(true);
    const own = policy({ allowedEndpoints: 'none', defaultEndpoint: 'mq:9876' });
    expect([own.nameServerAllowed('mq:9876', '127.0.0.1'), own.brokerAllowed('b:1', '127.0.0.1')]).toEqual([
      true,
      true,
    ]);
  });

  it.each([
    [{ allowedEndpoints: 'a b:x' }, 'PROXY_ALLOWED_ENDPOINTS: "b:x"'],
    [{ allowedEndpoints: ' , ' }, 'PROXY_ALLOWED_ENDPOINTS lists nothing'],
    [{ allowedEndpoints: 'none' }, 'PROXY_ALLOWED_ENDPOINTS is none'],
    [{ allowedEndpoints: '10.0.0.0/33' }, 'PROXY_ALLOWED_ENDPOINTS: "10.0.0.0/33"'],
    [{ allowedEndpoints: '*', allowedBrokers: '*x' }, 'PROXY_ALLOWED_BROKERS: "*x"'],
    [{ allowedEndpoints: '*', defaultEndpoint: 'a:0' }, 'ROCKETMQ_ENDPOINT: '],
  ])('names the setting that is malformed: %j', (given, named) => {
    expect(kindOf(() => policy(given))).toBe('configuration');
    expect(() => policy(given)).toThrow(named);
  });
});
