import type { Vendor } from './options.ts';

const vendorHosts: readonly (readonly [Vendor, RegExp])[] = [
  ['volcengine', /\.i?volces\.com(?=[:;]|$)/],
  ['aliyun', /\.aliyuncs\.com(?=[:;]|$)/],
];

/** By the hosts of name servers, `host:port;host:port`, where the setting leaves it open. */
export function vendorOf(nameServers: string, setting: Vendor | 'auto'): Vendor {
  if (setting !== 'auto') return setting;
  return vendorHosts.find(([, host]) => host.test(nameServers))?.[0] ?? 'apache';
}
