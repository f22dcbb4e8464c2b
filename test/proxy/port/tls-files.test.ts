import { beforeAll, describe, expect, it } from 'vitest';
import { readTlsFiles, type TlsFileSettings, tlsFiles } from '../../../src/proxy/port/tls-files.ts';
import { type Certificates, makeCertificates } from '../../support/certificates.ts';
import { SettingFolder } from '../../support/setting-files.ts';

const none: TlsFileSettings = { tlsCertFile: undefined, tlsKeyFile: undefined, tlsClientCaFile: undefined };

describe('the files of TLS', () => {
  let made: Certificates;
  beforeAll(async () => {
    made = await makeCertificates();
  });

  const read = (contents: Partial<Record<keyof TlsFileSettings, string>>) => {
    const folder = new SettingFolder();
    const paths = Object.entries(contents).map(([name, content]) => [name, folder.write(name, content)]);
    return readTlsFiles(tlsFiles({ ...none, ...Object.fromEntries(paths) }) ?? {}).material;
  };

  it('are none where none is set', () => {
    expect(tlsFiles(none)).toBeUndefined();
  });

  it.each([['tlsCertFile'], ['tlsKeyFile'], ['tlsClientCaFile']] as const)(
    'are refused where only %s is set',
    (name) => {
      expect(() => tlsFiles({ ...none, [name]: 'x' })).toThrow('set both PROXY_TLS_CERT_FILE and PROXY_TLS_KEY_FILE');
    },
  );

  it('are a certificate, its key, and authorities of clients where they are set', () => {
    const { server, authority } = made;
    const pair = { tlsCertFile: `${server.cert}\n${authority.cert}`, tlsKeyFile: server.private };
    expect(String(read(pair).key)).toBe(server.private);
    expect(read(pair).ca).toBeUndefined();
    expect(String(read({ ...pair, tlsClientCaFile: authority.cert }).ca)).toBe(authority.cert);
  });

  it('are refused with a word on which of them does not do, and without what stands in it', () => {
    const { server, client, authority } = made;
    const refusal = (change: Partial<Record<keyof TlsFileSettings, string>>): string => {
      try {
        read({ tlsCertFile: server.cert, tlsKeyFile: server.private, ...change });
        return 'taken';
      } catch (error) {
        return String(error);
      }
    };
    expect(refusal({ tlsKeyFile: client.private })).toContain('is not that of the certificate in PROXY_TLS_CERT_FILE');
    expect(refusal({ tlsKeyFile: 'canary' })).toContain('PROXY_TLS_KEY_FILE does not hold a private key');
    expect(refusal({ tlsCertFile: '' })).toContain('PROXY_TLS_CERT_FILE does not hold a certificate');
    expect(refusal({ tlsClientCaFile: 'canary' })).toContain('PROXY_TLS_CLIENT_CA_FILE does not hold a certificate');
    const cut = `${server.cert}\n${authority.cert.slice(0, 100)}`;
    expect(refusal({ tlsCertFile: cut })).toContain('PROXY_TLS_CERT_FILE does not hold a chain');
    expect(refusal({ tlsKeyFile: 'canary' })).not.toContain('canary');
  });
});
