/** Whose brokers they are: which property delays a message, since cloud brokers say version 4 and can do more than it. */
export type Vendor = 'apache' | 'aliyun' | 'volcengine';

const vendorHosts: readonly (readonly [Vendor, RegExp])[] = [
  ['volcengine', /\.i?volces\.com(?=[:;]|$)/],
  ['aliyun', /\.aliyuncs\.com(?=[:;]|$)/],
];

/** By the hosts of name servers, `host:port;host:port`, where the setting leaves it open. */
export function vendorOf(nameServers: string, setting: Vendor | 'auto'): Vendor {
  if (setting !== 'auto') return setting;
  return vendorHosts.find(([, host]) => host.test(nameServers))?.[0] ?? 'apache';
}
