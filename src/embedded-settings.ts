import { choice, duration, integer, optionalText, type Setting, text } from './option-kinds.ts';

/** Settings of the embedded engine. */
export const embeddedSettings = {
  embedded: choice({
    env: 'PROXY_EMBEDDED',
    flag: 'embedded',
    switch: { on: 'on', off: 'off' },
    fallback: 'auto',
    words: ['auto', 'on', 'off'],
    about: 'Whether the embedded engine is started; `auto`: where no endpoint is set.',
  }),
  remotingHost: text({
    env: 'PROXY_REMOTING_HOST',
    flag: 'remoting-host',
    fallback: '127.0.0.1',
    allowed: 'an address of this machine or a name of it; 0.0.0.0 or :: for all',
    about: 'Address that the embedded engine listens on. It asks nobody for a password unless it has access keys.',
  }),
  remotingPort: integer({
    env: 'PROXY_REMOTING_PORT',
    flag: 'remoting-port',
    fallback: '9876',
    min: 0,
    max: 65_535,
    about: 'Port of the embedded name server; 0 takes any free one.',
  }),
  brokerPort: integer({
    env: 'PROXY_BROKER_PORT',
    flag: 'broker-port',
    fallback: '0',
    min: 0,
    max: 65_535,
    about: 'Port of the embedded broker, which clients learn from the name server; 0 takes any free one.',
  }),
  dataDir: text({
    env: 'PROXY_DATA_DIR',
    flag: 'data-dir',
    fallback: './data',
    allowed: 'a folder, or `memory` for nothing on disk',
    about: 'Where the embedded engine keeps its messages, and the proxy the seal key that it makes when none is set.',
  }),
  flush: choice({
    env: 'PROXY_FLUSH',
    flag: 'flush',
    fallback: 'async',
    words: ['async', 'sync'],
    about:
      'When the embedded engine answers a send: `async` when it is written, which outlives a crash of the process, and of the machine after 500 ms; `sync` when it is on the disk.',
  }),
  retentionMs: duration({
    env: 'PROXY_RETENTION',
    flag: 'retention',
    fallback: '72h',
    min: '1s',
    max: '8760h',
    about: 'How long the embedded engine keeps messages.',
  }),
  retentionMegabytes: integer({
    env: 'PROXY_RETENTION_MB',
    flag: 'retention-mb',
    fallback: '1024',
    min: 16,
    max: 1_048_576,
    about: 'MiB of messages that the embedded engine keeps; the oldest go first. In memory: 256 at most.',
  }),
  remotingKeys: optionalText({
    env: 'PROXY_REMOTING_KEYS',
    allowed: '`accessKey:secretKey`, several separated by commas',
    secret: true,
    about: 'Access keys of the embedded engine; where there are some, it serves only clients that sign with one.',
  }),
} as const satisfies Record<string, Setting<unknown>>;
