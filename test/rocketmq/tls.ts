import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** TLS of a name server and its broker, towards clients and between the two; all texts are PEM. */
export interface ServerTls {
  readonly ca: string;
  readonly cert: string;
  /** As PKCS #8, which is what Netty reads. */
  readonly key: string;
  /** Whether they take connections without TLS as well, as they do by default. */
  readonly mode: 'permissive' | 'enforcing';
  /** Whether clients must show a certificate of the same authority. */
  readonly clientAuth: boolean;
}

/** Writes the files, and gives the settings that Java's `TlsSystemConfig` reads. Each server is a client as well, with the same certificate. */
export async function writeTls(directory: string, { ca, cert, key, mode, clientAuth }: ServerTls): Promise<string[]> {
  const fileOf = async (name: string, text: string): Promise<string> => {
    const file = join(directory, `${name}.pem`);
    await writeFile(file, text);
    return file;
  };
  const [keyPath, certPath, trustCertPath] = [
    await fileOf('key', key),
    await fileOf('cert', cert),
    await fileOf('ca', ca),
  ];
  const settings = {
    'tls.enable': true,
    'tls.test.mode.enable': false,
    'tls.server.mode': mode,
    'tls.server.need.client.auth': clientAuth ? 'require' : 'none',
    'tls.server.authClient': clientAuth,
    'tls.server.keyPath': keyPath,
    'tls.server.certPath': certPath,
    'tls.server.trustCertPath': trustCertPath,
    'tls.client.authServer': true,
    'tls.client.keyPath': keyPath,
    'tls.client.certPath': certPath,
    'tls.client.trustCertPath': trustCertPath,
    // There is no such file: what stands in one would come before these.
    'tls.config.file': join(directory, 'tls.properties'),
  };
  return Object.entries(settings).map(([name, value]) => `-D${name}=${value}`);
}
