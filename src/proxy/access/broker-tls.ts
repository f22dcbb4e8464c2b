import { createSecureContext } from 'node:tls';
import type { TlsOptions } from '../../remoting/dial.ts';
import { readSettingFiles, SettingFileError, type SettingFiles } from '../watched-files.ts';

/** What the settings of the same names say; files are undefined where they are unset. */
export interface BrokerTlsSettings {
  readonly brokerTls: boolean;
  readonly brokerTlsCaFile: string | undefined;
  readonly brokerTlsCertFile: string | undefined;
  readonly brokerTlsKeyFile: string | undefined;
}

const caSetting = 'PROXY_BROKER_TLS_CA_FILE';
const certSetting = 'PROXY_BROKER_TLS_CERT_FILE';
const keySetting = 'PROXY_BROKER_TLS_KEY_FILE';

/**
 * How name servers and brokers are connected to; undefined for cleartext. The files are read once.
 * @throws SettingFileError for a file that cannot be read or used, a certificate without its key, and files where TLS is off.
 */
export function brokerTlsOptions(settings: BrokerTlsSettings): TlsOptions | undefined {
  const { brokerTls, brokerTlsCaFile, brokerTlsCertFile, brokerTlsKeyFile } = settings;
  const given = { [caSetting]: brokerTlsCaFile, [certSetting]: brokerTlsCertFile, [keySetting]: brokerTlsKeyFile };
  const files: SettingFiles = Object.fromEntries(
    Object.entries(given).flatMap(([setting, path]) => (path === undefined ? [] : [[setting, path]])),
  );
  if (!brokerTls) {
    const [setting] = Object.keys(files);
    if (setting === undefined) return undefined;
    throw new SettingFileError(`${setting} is set and PROXY_BROKER_TLS is not: set it to true`);
  }
  if ((brokerTlsCertFile === undefined) !== (brokerTlsKeyFile === undefined))
    throw new SettingFileError(`a client certificate needs its key: set both ${certSetting} and ${keySetting}`);
  const { [caSetting]: ca, [certSetting]: cert, [keySetting]: key } = readSettingFiles(files);
  const options = { ...(ca && { ca }), ...(cert && key && { cert, key }) };
  try {
    createSecureContext(options);
  } catch (error) {
    const names = Object.keys(files).join(', ');
    throw new SettingFileError(`the files of ${names} do not hold PEM, or not the key of the certificate`, error);
  }
  return options;
}
