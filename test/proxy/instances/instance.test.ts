import type { NetworkInterfaceInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import { Instance, reachableHost, readPeerAddress } from '../../../src/proxy/instances/instance.ts';

function address(text: string, internal = false): NetworkInterfaceInfo {
  const rest = { address: text, netmask: '', mac: '', internal, cidr: null };
  return text.includes(':') ? { ...rest, family: 'IPv6', scopeid: 0 } : { ...rest, family: 'IPv4' };
}

describe('an instance', () => {
  it('is named once it can be asked', () => {
    const instance = new Instance();
    expect(instance.text).toBe('');
    instance.reachableAt('[::1]:8080');
    expect(readPeerAddress(instance.text)).toEqual({ id: instance.id, address: '[::1]:8080' });
    expect(new Instance().id).not.toBe(instance.id);
  });

  it.each(['', '@host:1', 'host:1'])('is not named by %j', (text) => {
    expect(readPeerAddress(text)).toBeUndefined();
  });
});

describe('the host at which others reach it', () => {
  const lo = [address('127.0.0.1', true), address('::1', true)];
  const eth0 = [address('fe80::1'), address('2001:db8::1'), address('10.0.0.5')];
  it.each([
    ['proxy.example', { lo, eth0 }, 'proxy.example'],
    ['127.0.0.1', { lo, eth0 }, '127.0.0.1'],
    ['0.0.0.0', { lo, eth0 }, '10.0.0.5'],
    ['::', { lo, eth0 }, '10.0.0.5'],
    ['::', { lo, eth0: eth0.slice(0, 2) }, '2001:db8::1'],
    ['0.0.0.0', { lo, eth0: eth0.slice(0, 2) }, '127.0.0.1'],
    ['0.0.0.0', { lo }, '127.0.0.1'],
  ])('of one that listens on %s', (host, interfaces, expected) => {
    expect(reachableHost(host, interfaces)).toBe(expected);
  });
});
