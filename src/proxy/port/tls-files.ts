import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { type FileContents, readSettingFiles, SettingFileError, type SettingFiles } from '../watched-files.ts';

/** What the settings of the same names say; undefined where they are unset. */
export interface TlsFileSettings {
  readonly tlsCertFile: string | undefined;
  readonly tlsKeyFile: string | undefined;
  readonly tlsClientCaFile: string | undefined;
}

/** What a TLS server shows, and whom it trusts. PEM texts. */
export interface TlsMaterial {
  /** The certificate, and those between it and its authority. */
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Authorities of clients' certificates; clients need one where it is set. */
  readonly ca?: Buffer | undefined;
}

const certSetting = 'PROXY_TLS_CERT_FILE';
const keySetting = 'PROXY_TLS_KEY_FILE';
const clientCaSetting = 'PROXY_TLS_CLIENT_CA_FILE';

/**
 * The files that are set, by their settings; undefined where the port is cleartext.
 * @throws SettingFileError where one of them lacks another.
 */
export function tlsFiles(settings: TlsFileSettings): SettingFiles | undefined {
  const { tlsCertFile, tlsKeyFile, tlsClientCaFile } = settings;
  if (tlsCertFile !== undefined && tlsKeyFile !== undefined) {
    const files = { [certSetting]: tlsCertFile, [keySetting]: tlsKeyFile };
    return tlsClientCaFile === undefined ? files : { ...files, [clientCaSetting]: tlsClientCaFile };
  }
  if (tlsCertFile === undefined && tlsKeyFile === undefined && tlsClientCaFile === undefined) return undefined;
  throw new SettingFileError(`TLS needs a certificate and its key: set both ${certSetting} and ${keySetting}`);
}

/** Reads the files for the first time. @throws SettingFileError */
export function readTlsFiles(files: SettingFiles): { readonly contents: FileContents; readonly material: TlsMaterial } {
  const contents = readSettingFiles(files);
  return { contents, material: toTlsMaterial(contents) };
}

/** @throws SettingFileError where they are no PEM, or the key is not that of the certificate. */
export function toTlsMaterial(contents: FileContents): TlsMaterial {
  const { [certSetting]: cert, [keySetting]: key, [clientCaSetting]: ca } = contents;
  if (cert === undefined || key === undefined) throw new SettingFileError(`${certSetting} or ${keySetting} is missing`);
  const certificate = parse(certSetting, 'a certificate', () => new X509Certificate(cert));
  const privateKey = parse(keySetting, 'a private key without a passphrase', (): KeyObject => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey))
    throw new SettingFileError(`the key in ${keySetting} is not that of the certificate in ${certSetting}`);
  if (ca !== undefined) parse(clientCaSetting, 'a certificate', () => new X509Certificate(ca));
  const material = { cert, key, ca };
  // Reads what comes behind the first certificate too.
  parse(certSetting, 'a chain of certificates', () => createSecureContext(material));
  return material;
}

function parse<T>(setting: string, what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new SettingFileError(`the file of ${setting} does not hold ${what} in PEM`, error);
  }
}
