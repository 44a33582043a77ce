import { connect } from 'node:tls';
import type { SecureContext, TLSSocket } from 'node:tls';

/** Opens a TLS connection that speaks HTTP/2 only. */
export function connectTls(origin: string, secureContext: SecureContext | undefined): TLSSocket {
  const url = new URL(origin);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const socket = connect({
    host,
    port: url.port === '' ? 443 : Number(url.port),
    servername: /^[\d.]+$|:/.test(host) ? '' : host,
    ALPNProtocols: ['h2'],
    minVersion: 'TLSv1.2',
    // Whatever the environment says: bearer tokens go through here.
    rejectUnauthorized: true,
    ...(secureContext === undefined ? {} : { secureContext }),
  });
  socket.setNoDelay(true);
  return socket;
}

/** The peer's TLS stack refused the certificate that we showed, in or just after the handshake. */
export function isCertificateAlert(error: NodeJS.ErrnoException | undefined): boolean {
  return /^ERR_SSL_.*ALERT_(.*CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)/.test(error?.code ?? '');
}
