import { describe, expect, it } from 'vitest';
import { vendorOf } from '../../../src/client/cluster/vendor.ts';
import type { Vendor } from '../../../src/client/options.ts';

describe('vendorOf', () => {
  it.each<[string, Vendor]>([
    ['rmq-1.rocketmq.volces.com:9876', 'volcengine'],
    ['rmq-1.rocketmq.ivolces.com:9876', 'volcengine'],
    ['mq_inst_1_abc.cn-hangzhou.mq-internal.aliyuncs.com:8080', 'aliyun'],
    ['10.0.0.1:9876;x.aliyuncs.com:8080', 'aliyun'],
    ['127.0.0.1:9876', 'apache'],
    ['volces.com.example.org:9876', 'apache'],
    ['x.volces.com.example.org:9876', 'apache'],
    ['xvolces.com:9876', 'apache'],
    ['x.yvolces.com:9876', 'apache'],
    ['aliyuncs.com.evil:9876', 'apache'],
    ['', 'apache'],
  ])('%s is run by %s', (endpoint, vendor) => {
    expect(vendorOf(endpoint, 'auto')).toBe(vendor);
  });

  it.each<Vendor>(['apache', 'aliyun', 'volcengine'])('is %s where the setting says so', (vendor) => {
    expect(vendorOf('x.aliyuncs.com:8080', vendor)).toBe(vendor);
  });
});
