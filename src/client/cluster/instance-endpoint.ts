/**
 * The instance that an address of Alibaba Cloud names, as `http://MQ_INST_123_abcdefgh.cn-hangzhou.mq.aliyuncs.com:80` does: it is the
 * namespace of topics and groups there (Java `NameServerAddressUtils`). Undefined for other addresses. To be asked of the text as it was
 * written, since names of hosts lose their capital letters later.
 */
export function instanceOfEndpoint(endpoint: string): string | undefined {
  return /^(?:\w+:\/\/)?(MQ_INST_\w+_\w+)\./.exec(endpoint.trim())?.[1];
}
