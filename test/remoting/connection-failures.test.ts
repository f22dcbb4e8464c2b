import { describe, expect, test } from 'vitest';
import { connectionFailure, connectionLoss } from '../../src/remoting/connection-failures.ts';

const failureOf = (code: string): Error => Object.assign(new Error('a text of OpenSSL'), { code });

describe('connectionFailure', () => {
  // Codes as OpenSSL has them; those that Node's own servers and Java's cause are seen in dial.test.ts and client-tls.test.ts.
  test.each([
    ['ERR_TLS_CERT_ALTNAME_INVALID', /other host names/],
    ['CERT_HAS_EXPIRED', /its certificate has expired/],
    ['CERT_NOT_YET_VALID', /not valid yet/],
    ['CERT_REVOKED', /its certificate is revoked/],
    ['INVALID_PURPOSE', /not meant for servers/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', /authority that is not trusted/],
    ['SELF_SIGNED_CERT_IN_CHAIN', /authority that is not trusted/],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', /authority that is not trusted/],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', /it wants a client certificate/],
    ['ERR_SSL_SSLV3_ALERT_NO_CERTIFICATE', /it wants a client certificate/],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', /it wants a client certificate/],
    ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', /does not take the client certificate/],
    ['ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE', /does not take the client certificate/],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN', /does not take the client certificate/],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', /client certificate: it has expired/],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED', /client certificate: it is revoked/],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', /client certificate: it does not know its authority/],
    ['ERR_SSL_TLSV1_ALERT_ACCESS_DENIED', /does not take the client certificate/],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', /no version of TLS/],
    ['ERR_SSL_UNSUPPORTED_PROTOCOL', /no version of TLS/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', /does not speak TLS/],
  ])('says what %s means', (code, words) => {
    expect(connectionFailure(failureOf(code))).toMatch(words);
    expect(connectionFailure(failureOf(code))).toContain(`(${code})`);
  });

  test('passes other codes on, and no text of others', () => {
    expect(connectionFailure(failureOf('ECONNREFUSED'))).toBe('ECONNREFUSED');
    expect(connectionFailure(new Error('canary'))).toBe('the connection was refused');
    expect(connectionFailure(undefined)).toBe('the connection was refused');
  });
});

describe('connectionLoss', () => {
  test.each([
    'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
    'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE',
    'ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN',
    'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
  ])('by %s is no connection: nothing was read', (code) => {
    const cause = failureOf(code);
    const message = expect.stringContaining('cannot connect to broker:1: ');
    expect(connectionLoss('broker:1', cause)).toMatchObject({ kind: 'connect', address: 'broker:1', message, cause });
  });

  test.each(['ECONNRESET', 'ERR_SSL_SSLV3_ALERT_BAD_RECORD_MAC', 'ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR'])(
    'by %s is a lost one',
    (code) => {
      const message = `lost the connection to broker:1: ${code}`;
      expect(connectionLoss('broker:1', failureOf(code))).toMatchObject({ kind: 'closed', message });
    },
  );
});
