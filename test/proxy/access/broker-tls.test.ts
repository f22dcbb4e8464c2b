import { once } from 'node:events';
import { createServer, type TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type BrokerTlsSettings, brokerTlsOptions } from '../../../src/proxy/access/broker-tls.ts';
import { type Certificates, makeCertificates } from '../../support/certificates.ts';
import { SettingFolder } from '../../support/setting-files.ts';
import { startTestProxy } from '../../support/started-proxy.ts';

const off: BrokerTlsSettings = {
  brokerTls: false,
  brokerTlsCaFile: undefined,
  brokerTlsCertFile: undefined,
  brokerTlsKeyFile: undefined,
};

describe('TLS to brokers', { timeout: 30_000 }, () => {
  let made: Certificates;
  beforeAll(async () => {
    made = await makeCertificates();
  });

  it('is off unless it is set, and trusts public authorities where no file says otherwise', () => {
    expect(brokerTlsOptions(off)).toBeUndefined();
    expect(brokerTlsOptions({ ...off, brokerTls: true })).toEqual({});
  });

  it('is refused where files are set and it is not, where one of a pair is missing, and where one cannot be read', () => {
    expect(() => brokerTlsOptions({ ...off, brokerTlsCaFile: 'x' })).toThrow('PROXY_BROKER_TLS is not');
    const on = { ...off, brokerTls: true };
    expect(() => brokerTlsOptions({ ...on, brokerTlsCertFile: 'x' })).toThrow('PROXY_BROKER_TLS_KEY_FILE');
    expect(() => brokerTlsOptions({ ...on, brokerTlsKeyFile: 'x' })).toThrow('PROXY_BROKER_TLS_CERT_FILE');
    expect(() => brokerTlsOptions({ ...on, brokerTlsCaFile: '/nowhere' })).toThrow('(/nowhere) cannot be read');
  });

  it('is refused at the start where a key is cut or not that of the certificate', () => {
    const folder = new SettingFolder();
    const { cert, private: key } = made.client;
    for (const wrong of [key.slice(0, -60), made.server.private, 'no key']) {
      const files = { brokerTlsCertFile: folder.write('cert', cert), brokerTlsKeyFile: folder.write('key', wrong) };
      expect(() => brokerTlsOptions({ ...off, brokerTls: true, ...files })).toThrow(
        'the files of PROXY_BROKER_TLS_CERT_FILE, PROXY_BROKER_TLS_KEY_FILE do not hold PEM, or not the key',
      );
    }
  });

  it('reaches a name server whose authority is in the file, and shows it the certificate', async () => {
    const { server: own, authority, client } = made;
    const options = {
      cert: own.cert,
      key: own.private,
      ca: authority.cert,
      requestCert: true,
      rejectUnauthorized: true,
    };
    const server = createServer(options).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    const secured = once(server, 'secureConnection');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const folder = new SettingFolder();
    const tls = brokerTlsOptions({
      brokerTls: true,
      brokerTlsCaFile: folder.write('ca', authority.cert),
      brokerTlsCertFile: folder.write('cert', client.cert),
      brokerTlsKeyFile: folder.write('key', client.private),
    });
    const defaults = { endpoint: `localhost:${port}`, accessKeyId: '', accessKeySecret: '', instanceId: '' };
    await startTestProxy({ defaults, client: { tls } });
    const [socket]: TLSSocket[] = await secured;
    onTestFinished(() => void socket?.destroy());
    expect(socket?.getPeerCertificate().subject.CN).toBe('client');
  });
});
