import { embeddedSettings } from './embedded-settings.ts';
import { choice, duration, integer, onOff, optionalText, origins, type Setting, text } from './option-kinds.ts';

/** Every setting: its name inside, its environment variable, its flag, its default and bounds, and what it does. */
export const settings = {
  host: text({
    env: 'PROXY_HOST',
    flag: 'host',
    fallback: '127.0.0.1',
    allowed: 'an address of this machine or a name of it; 0.0.0.0 or :: for all',
    about: 'Address that both ports listen on.',
  }),
  grpcPort: integer({
    env: 'GRPC_PORT',
    flag: 'grpc-port',
    fallback: '50051',
    min: 0,
    max: 65_535,
    about: 'Port for gRPC, gRPC-web and Connect; 0 takes any free one.',
  }),
  httpPort: integer({
    env: 'METRICS_PORT',
    flag: 'http-port',
    fallback: '8080',
    min: 0,
    max: 65_535,
    about: 'Port for `/metrics`, `/health`, `/livez` and `/readyz`; 0 takes any free one.',
  }),
  endpoint: optionalText({
    env: 'ROCKETMQ_ENDPOINT',
    flag: 'endpoint',
    allowed: 'name servers as `host:9876[;host:9876]`',
    about: 'Name servers for calls that leave their endpoint empty. Unset: the embedded engine.',
  }),
  ...embeddedSettings,
  accessKeyId: text({
    env: 'ROCKETMQ_ACCESS_KEY_ID',
    fallback: '',
    allowed: 'any text',
    about: 'Access key id for calls that leave theirs empty.',
  }),
  accessKeySecret: text({
    env: 'ROCKETMQ_ACCESS_KEY_SECRET',
    fallback: '',
    allowed: 'any text',
    secret: true,
    about:
      'Access key secret for calls that leave theirs empty; not a flag, because every user of the machine can read those.',
  }),
  instanceId: text({
    env: 'ROCKETMQ_INSTANCE_ID',
    fallback: '',
    allowed: 'any text',
    about: 'Instance id for calls that leave theirs empty.',
  }),
  instanceNamespace: choice({
    env: 'PROXY_INSTANCE_NAMESPACE',
    flag: 'instance-namespace',
    fallback: 'auto',
    words: ['auto', 'always', 'never'],
    about: 'Whether the instance id is a namespace for topics and groups; `auto`: where it starts with `MQ_INST_`.',
  }),
  vendor: choice({
    env: 'PROXY_VENDOR',
    flag: 'vendor',
    fallback: 'auto',
    words: ['auto', 'apache', 'aliyun', 'volcengine'],
    about: 'Whose brokers these are; `auto`: seen from the endpoint.',
  }),
  brokerTls: onOff({
    env: 'PROXY_BROKER_TLS',
    fallback: 'false',
    about: 'Whether name servers and brokers are connected to by TLS; the embedded engine has none.',
  }),
  brokerTlsCaFile: optionalText({
    env: 'PROXY_BROKER_TLS_CA_FILE',
    allowed: 'a PEM file',
    about: 'Authorities of their certificates; unset: the public ones. Read at the start.',
  }),
  brokerTlsCertFile: optionalText({
    env: 'PROXY_BROKER_TLS_CERT_FILE',
    allowed: 'a PEM file',
    about: 'Certificate that is shown to them (mutual TLS).',
  }),
  brokerTlsKeyFile: optionalText({
    env: 'PROXY_BROKER_TLS_KEY_FILE',
    allowed: 'a PEM file',
    about: 'Private key of that certificate, without a passphrase.',
  }),
  logLevel: choice({
    env: 'ROCKETMQ_LOG_LEVEL',
    fallback: 'info',
    words: ['debug', 'info', 'warn', 'error', 'silent'],
    about: 'Least level that is logged.',
  }),
  workers: integer({
    env: 'PROXY_WORKERS',
    flag: 'workers',
    fallback: '1',
    min: 1,
    max: 64,
    about:
      'Processes that serve the gRPC port together, each with the limits of this table for itself; `/metrics` adds them up.',
  }),
  peerHost: optionalText({
    env: 'PROXY_PEER_HOST',
    flag: 'peer-host',
    allowed: 'an address or name of this machine, without a port',
    about:
      'Where other instances reach the status port of this one, to settle messages that it handed out; unset: `PROXY_HOST`, or the first address of the machine.',
  }),
  sealKey: optionalText({
    env: 'PROXY_SEAL_KEY',
    allowed: '32 bytes as hex or base64; several keys separated by commas',
    secret: true,
    about: 'Key that seals ids and receipt handles, the same for all instances; the first seals, all of them open.',
  }),
  sealKeyFile: optionalText({
    env: 'PROXY_SEAL_KEY_FILE',
    allowed: 'a file with one key per line',
    about:
      'The same from a file, read again when it changes. With neither set, a key is made and kept in the data directory.',
  }),
  allowedEndpoints: optionalText({
    env: 'PROXY_ALLOWED_ENDPOINTS',
    allowed:
      '`host`, `host:port`, `*.suffix`, address ranges such as `10.0.0.0/8`, separated by commas; or `*`; or `none` for `ROCKETMQ_ENDPOINT` only',
    about: 'Endpoints that clients may name. Must be set when `PROXY_HOST` is not a loopback address.',
  }),
  allowedBrokers: optionalText({
    env: 'PROXY_ALLOWED_BROKERS',
    allowed: 'as `PROXY_ALLOWED_ENDPOINTS`',
    about:
      'Addresses that name servers may send us to; unset: the hosts of the allowed endpoints, and any where those are `none`.',
  }),
  tlsCertFile: optionalText({
    env: 'PROXY_TLS_CERT_FILE',
    allowed: 'a PEM file',
    about:
      'Certificate of the gRPC port, and those between it and its authority; with it the port speaks TLS only. Read again when it changes.',
  }),
  tlsKeyFile: optionalText({
    env: 'PROXY_TLS_KEY_FILE',
    allowed: 'a PEM file',
    about: 'Private key of that certificate, without a passphrase.',
  }),
  tlsClientCaFile: optionalText({
    env: 'PROXY_TLS_CLIENT_CA_FILE',
    allowed: 'a PEM file',
    about: 'Authorities of clients; with them only clients with a certificate of theirs get in (mutual TLS).',
  }),
  tokensFile: optionalText({
    env: 'PROXY_TOKENS_FILE',
    allowed: 'a JSON file; SECURITY.md says what stands in it',
    about:
      'Bearer tokens, and the topics and groups that each may use; with it every call but health checks needs one. Read again when it changes.',
  }),
  corsOrigins: origins({
    env: 'PROXY_CORS_ORIGINS',
    flag: 'cors-origins',
    about: 'Web pages that may call: all others are refused.',
  }),
  http2Engine: choice({
    env: 'PROXY_HTTP2_ENGINE',
    flag: 'http2-engine',
    fallback: 'own',
    words: ['own', 'node'],
    about:
      'What serves HTTP/2: the proxy’s own core, or Node’s, which spends several times the CPU on each call and does not know all limits of ours: for comparison, and should ours ever fail you.',
  }),
  maxConcurrent: integer({
    env: 'MAX_CONCURRENT',
    fallback: '1000',
    min: 1,
    max: 100_000,
    about: 'Most calls at a time on one connection.',
  }),
  maxConnections: integer({
    env: 'PROXY_MAX_CONNECTIONS',
    fallback: '10000',
    min: 1,
    max: 1_000_000,
    about: 'Most client connections at a time; more are closed at once.',
  }),
  maxConnectionsPerAddress: integer({
    env: 'PROXY_MAX_CONNECTIONS_PER_ADDRESS',
    fallback: '1000',
    min: 1,
    max: 1_000_000,
    about: 'Most of them from one address, such as that of a balancer.',
  }),
  abuserRefusalMs: duration({
    env: 'PROXY_ABUSER_REFUSAL',
    fallback: '60s',
    min: '0s',
    max: '24h',
    about:
      'How long an address gets no new connections of which three were ended for abuse of HTTP/2, each within this time of the one before; 0s: it is never refused, as where a balancer hides the addresses of its clients.',
  }),
  clientCallsMax: integer({
    env: 'PROXY_CLIENT_CALLS',
    fallback: '4000',
    min: 1,
    max: 1_000_000,
    about:
      'Most calls at a time of one client, streams not among them. A client is a token of `PROXY_TOKENS_FILE`, without that file an address.',
  }),
  clientStreamsMax: integer({
    env: 'PROXY_CLIENT_STREAMS',
    fallback: '20000',
    min: 1,
    max: 1_000_000,
    about: 'Most streams at a time of one client.',
  }),
  clientCallsPerSecond: integer({
    env: 'PROXY_CLIENT_RATE',
    fallback: '0',
    min: 0,
    max: 1_000_000,
    about: 'Most calls that one client may begin in a second; 0: any number.',
  }),
  messageBufferSize: integer({
    env: 'MESSAGE_BUFFER_SIZE',
    fallback: '1000',
    min: 1,
    max: 100_000,
    about: 'Most messages that one receiver may have without an ack.',
  }),
  unreadMegabytes: integer({
    env: 'PROXY_UNREAD_MB',
    fallback: '64',
    min: 8,
    max: 65_536,
    about:
      'MiB of messages that all streams together may have taken and not read; at that, streams wait for room, and those whose readers have stood still for 2 s are ended.',
  }),
  requestMegabytes: integer({
    env: 'PROXY_REQUEST_MB',
    fallback: '128',
    min: 16,
    max: 65_536,
    about:
      'MiB that requests over HTTP/2 may hold from their first byte to their answer; at that, the address whose unfinished requests hold most loses them (RESOURCE_EXHAUSTED).',
  }),
  sendGroupMax: integer({
    env: 'PROXY_SEND_GROUP_MAX',
    fallback: '32',
    min: 1,
    max: 1_000,
    about:
      'Most messages that are handed to a broker as one request, stored all or none, where SendMessage is called for them at the same moment: plain ones of one topic, up to 32 KiB each. 1: each by a request of its own.',
  }),
  producerCleanupTimeoutMs: duration({
    env: 'PRODUCER_CLEANUP_TIMEOUT',
    fallback: '30s',
    min: '1s',
    max: '24h',
    about: 'How long an unused producer keeps its place here; its id stays valid.',
  }),
  consumerCleanupTimeoutMs: duration({
    env: 'CONSUMER_CLEANUP_TIMEOUT',
    fallback: '30s',
    min: '1s',
    max: '24h',
    about: 'How long an unused consumer keeps its place here; its id stays valid.',
  }),
  readTimeoutMs: duration({
    env: 'READ_TIMEOUT',
    fallback: '30s',
    min: '1s',
    max: '1h',
    about: 'Longest a client may take to send one request whole.',
  }),
  writeTimeoutMs: duration({
    env: 'WRITE_TIMEOUT',
    fallback: '30s',
    min: '100ms',
    max: '1h',
    about: 'Longest a send or an ack may take where the client sets no shorter deadline.',
  }),
  pullTimeoutMs: duration({
    env: 'PULL_TIMEOUT',
    fallback: '5s',
    min: '100ms',
    max: '5s',
    about:
      'How long a broker holds a poll that finds nothing; no longer, because it does not wake one for a retried message.',
  }),
  consumeMode: choice({
    env: 'PROXY_CONSUME_MODE',
    flag: 'consume-mode',
    fallback: 'auto',
    words: ['auto', 'pop', 'pull'],
    about:
      'How messages are received: `pop`, which RocketMQ 5 has, or `pull`, which costs the broker a seventh of it; `auto`: by POP where all brokers of the topic have it.',
  }),
  invisibleDurationMs: duration({
    env: 'PROXY_INVISIBLE_DURATION',
    flag: 'invisible-duration',
    fallback: '30s',
    min: '1s',
    max: '12h',
    about: 'Time that a receiver has for its ack before the message is delivered again.',
  }),
  renewalDurationMs: duration({
    env: 'PROXY_RENEWAL_DURATION',
    flag: 'renewal-duration',
    fallback: '0s',
    min: '0s',
    max: '12h',
    about:
      'While its stream lives, a message without an ack stays invisible up to this long in all; 0s: not renewed. The same on all instances: where the one that handed a message out is gone, acks elsewhere after half of the invisible duration are answered OUTCOME_UNKNOWN.',
  }),
  keepaliveIntervalMs: duration({
    env: 'PROXY_KEEPALIVE_INTERVAL',
    fallback: '10s',
    min: '1s',
    max: '1h',
    about: 'How often each HTTP/2 connection is asked for a sign of life.',
  }),
  keepaliveTimeoutMs: duration({
    env: 'PROXY_KEEPALIVE_TIMEOUT',
    fallback: '20s',
    min: '1s',
    max: '1h',
    about: 'How long the answer may take before the connection is closed.',
  }),
  connectionAgeMsMax: duration({
    env: 'PROXY_CONNECTION_AGE_MAX',
    fallback: '0s',
    min: '0s',
    max: '24h',
    about:
      'Age, give or take a tenth, at which HTTP/2 clients are told to open a new connection, so that load spreads to new instances; calls and streams in progress go on where they are; 0s: any age.',
  }),
  drainTimeoutMs: duration({
    env: 'PROXY_DRAIN_TIMEOUT',
    fallback: '10s',
    min: '0s',
    max: '1h',
    about: 'How long calls in progress may go on after SIGTERM.',
  }),
  enableMetrics: onOff({
    env: 'ENABLE_METRICS',
    fallback: 'true',
    about: 'Whether `/metrics` is served.',
  }),
} as const satisfies Record<string, Setting<unknown>>;
