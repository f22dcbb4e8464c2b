import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** By IPv4: this host, loopback, link-local with most clouds' metadata, those of Alibaba, Azure and Oracle, multicast and reserved. */
const ipv4Ranges = [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
  ['192.0.0.192', 32],
  ['224.0.0.0', 3],
] as const;

/** By IPv6: none and loopback, link-local, site-local, multicast, AWS's metadata; 6to4 and Teredo, which carry any IPv4 address. */
const ipv6Ranges = [
  ['::', 127],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
  ['fd00:ec2::254', 128],
  ['2002::', 16],
  ['2001::', 32],
] as const;

/** What stands before an IPv4 address inside IPv6: mapped, compatible, and NAT64. */
const ipv4Prefixes = ['::ffff:', '::', '64:ff9b::'];
const ipv4PrefixBits = 96;

const guarded = createBlockList();

function createBlockList(): BlockList {
  const list = new BlockList();
  for (const [network, bits] of ipv4Ranges) {
    list.addSubnet(network, bits, 'ipv4');
    for (const prefix of ipv4Prefixes) list.addSubnet(`${prefix}${network}`, ipv4PrefixBits + bits, 'ipv6');
  }
  for (const [network, bits] of ipv6Ranges) list.addSubnet(network, bits, 'ipv6');
  return list;
}

/**
 * Whether an address is of the machine itself, of its link, or a cloud's metadata: where no name may lead that is merely allowed. True
 * also for what is no IP address.
 */
export function isGuarded(ip: string): boolean {
  if (isIPv4(ip)) return guarded.check(ip, 'ipv4');
  return !isIPv6(ip) || guarded.check(ip, 'ipv6');
}
